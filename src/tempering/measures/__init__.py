"""Completions in, numbers out: one file a criterion. Knows nothing of temperature, statistics or files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tempering.errors import ParameterError
from tempering.measures.accuracy import ACCURACY, majority_at, pass_at
from tempering.measures.base import NEEDS, Measure, Samples
from tempering.measures.coherence import KNOWN_PAIRS, LSA_COHERENCE, NONWORD_SHARE, SENTENCE_FORM
from tempering.measures.cohesion import ADJACENT_OVERLAP, CONNECTIVE_RATE, ENTITY_CONTINUITY
from tempering.measures.degeneration import EARLY_STOP, LOOP_SHARE, SELF_REPETITION
from tempering.measures.diversity import (
    COMPRESSION_RATIO,
    SELF_BLEU,
    SHARED_4GRAMS,
    VENDI_SCORE,
    cell_distinct_of,
    distinct_of,
)
from tempering.measures.edits import EDIT_DISTANCE
from tempering.measures.embeddings import EMBEDDING_COHERENCE, EMBEDDING_SIMILARITY, EMBEDDING_VARIETY
from tempering.measures.judge import JUDGED
from tempering.measures.length import ENDED, TOKENS
from tempering.measures.novelty import NEW_WORD_SHARE, UNIQUE_WORD_SHARE
from tempering.measures.perplexity import MEAN_ENTROPY, SELF_PERPLEXITY
from tempering.measures.probes import VALID_COVERAGE, VALID_EVENNESS
from tempering.measures.rereading import LEAK_MASS, N95, ORDER_GAIN, SURPRISAL_GAP
from tempering.measures.training_text import COPIED_SPAN, training_novelty_of
from tempering.measures.typicality import EXEMPLAR_SIMILARITY, REFERENCE_DISTANCE, STORY_MARKS

_NOVELTY, _TYPICALITY, _COHESION, _COHERENCE = JUDGED

MEASURES: tuple[Measure, ...] = (
    ACCURACY,
    UNIQUE_WORD_SHARE,
    NEW_WORD_SHARE,
    COPIED_SPAN,
    _NOVELTY,
    EXEMPLAR_SIMILARITY,
    EDIT_DISTANCE,
    EMBEDDING_SIMILARITY,
    REFERENCE_DISTANCE,
    SURPRISAL_GAP,
    STORY_MARKS,
    _TYPICALITY,
    ADJACENT_OVERLAP,
    ENTITY_CONTINUITY,
    CONNECTIVE_RATE,
    _COHESION,
    KNOWN_PAIRS,
    ORDER_GAIN,
    LSA_COHERENCE,
    EMBEDDING_COHERENCE,
    NONWORD_SHARE,
    SENTENCE_FORM,
    _COHERENCE,
    SELF_PERPLEXITY,
    MEAN_ENTROPY,
    LEAK_MASS,
    N95,
    *map(distinct_of, (2, 1, 3)),  # pairs stand for diversity
    COMPRESSION_RATIO,
    *map(cell_distinct_of, (2, 1, 3)),
    SHARED_4GRAMS,
    SELF_BLEU,
    VENDI_SCORE,
    EMBEDDING_VARIETY,
    VALID_COVERAGE,
    VALID_EVENNESS,
    SELF_REPETITION,
    LOOP_SHARE,
    EARLY_STOP,
    TOKENS,
    ENDED,
)
"""Every measure of a study, in the order of a report: the first of a criterion stands for it."""

VOTES = (2, 4, 8, 16, 32, 64)
"""The k of pass@k and majority@k that a study shows, as far as it has so many samples of a cell."""


_NUMBERED: Mapping[str, Callable[[int], Measure]] = {
    "pass": pass_at,
    "majority": majority_at,
    "training_novelty": training_novelty_of,
    "distinct": distinct_of,
    "cell_distinct": cell_distinct_of,
}
"""Families of measures with a number, as in pass@4."""


def measure(name: str) -> Measure:
    """Return a measure by its name, as in ``pass@4``, ``training_novelty@6`` or ``distinct@2``, for any number.

    Raises:
        ParameterError: there is none of that name; the message lists them.

    Example:
        >>> measure("tokens").unit
        'tokens'
        >>> measure("pass@3").title
        'One of 3 answers is right'
    """
    family, _, number = name.partition("@")
    if family in _NUMBERED and number.isdecimal() and int(number) > 0:
        return _NUMBERED[family](int(number))
    for known in MEASURES:
        if known.name == name:
            return known
    families = ", ".join(f"{family}@N" for family in _NUMBERED)
    raise ParameterError(
        f"measure must be one of {', '.join(m.name for m in MEASURES)}, {families}, got {name!r}", field="measure"
    )


def measure_exists(name: str) -> bool:
    """Return whether there is a measure of that name."""
    try:
        measure(name)
    except ParameterError:
        return False
    return True


def measures_for(samples: Samples) -> tuple[Measure, ...]:
    """Return the measures that these samples have what is needed for, in the order of a report.

    Where there are expected answers, pass@k and majority@k join for k = 2, 4, 8, ... up to the samples of a cell; where
    the training text is known, its n-grams for every n that it knows.

    Example:
        >>> "self_perplexity" in [measure.name for measure in measures_for(Samples(()))]
        False
    """
    there, found = samples.provides, []
    most = max((len(indices) for indices in samples.cells().values()), default=0)
    for known in MEASURES:
        if known.needs <= there:
            found.append(known)
        if known is ACCURACY and "expected" in there:
            found += [made for k in VOTES if k <= most for made in (majority_at(k), pass_at(k))]
        if known is NEW_WORD_SHARE and samples.corpus is not None:
            found += [training_novelty_of(n) for n in samples.corpus.sizes]
    return tuple(found)


def left_out(samples: Samples, besides: Collection[str] = ()) -> dict[str, str]:
    """Return the measures that do not apply to these samples, by name, and what they lack, in words.

    Args:
        samples: what there is.
        besides: names of ``NEEDS`` that were met when the samples were measured before.

    Example:
        >>> left_out(Samples(()))["judged_novelty"]
        'needs a model that judges; the greedy text of each prompt'
    """
    there = samples.provides.union(besides)
    reasons = {}
    for known in MEASURES:
        if missing := [NEEDS[name] for name in NEEDS if name in known.needs - there]:
            reasons[known.name] = f"needs {'; '.join(reversed(missing))}{_seen(samples, known)}"
    return reasons


def _seen(samples: Samples, known: Measure) -> str:
    """Return which languages there are instead, for a measure that knows only some."""
    if not known.needs & {"language", "english"} or not samples.languages:
        return ""
    names = sorted({language or "a language that is not recognised" for language in samples.languages.values()})
    return f"; these are in {', '.join(names)}"
