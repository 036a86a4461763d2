"""Completions in, numbers out: one file a criterion. Knows nothing of temperature, statistics or files."""

from __future__ import annotations

from tempering.errors import ParameterError
from tempering.measures.accuracy import ACCURACY, majority_at, pass_at
from tempering.measures.base import Measure, Samples
from tempering.measures.cohesion import ADJACENT_OVERLAP
from tempering.measures.diversity import COMPRESSION_RATIO, DISTINCT_2, SELF_REPETITION
from tempering.measures.edits import EDIT_DISTANCE
from tempering.measures.length import ENDED, TOKENS
from tempering.measures.novelty import UNIQUE_WORD_SHARE
from tempering.measures.perplexity import MEAN_ENTROPY, SELF_PERPLEXITY
from tempering.measures.typicality import EXEMPLAR_SIMILARITY

MEASURES: tuple[Measure, ...] = (
    ACCURACY,
    UNIQUE_WORD_SHARE,
    EXEMPLAR_SIMILARITY,
    EDIT_DISTANCE,
    ADJACENT_OVERLAP,
    SELF_PERPLEXITY,
    MEAN_ENTROPY,
    DISTINCT_2,
    SELF_REPETITION,
    COMPRESSION_RATIO,
    TOKENS,
    ENDED,
)
"""Every measure of a study, in the order of a report."""


VOTES = (2, 4, 8, 16, 32, 64)
"""The k of pass@k and majority@k that a study shows, as far as it has so many samples of a cell."""


def measure(name: str) -> Measure:
    """Return a measure by its name; ``pass@K`` and ``majority@K`` for any K.

    Raises:
        ParameterError: there is none of that name; the message lists them.

    Example:
        >>> measure("tokens").unit
        'tokens'
        >>> measure("pass@3").title
        'One of 3 answers is right'
    """
    kind, at, k = name.partition("@")
    if at and k.isdecimal() and int(k) > 0 and kind in {"pass", "majority"}:
        return pass_at(int(k)) if kind == "pass" else majority_at(int(k))
    for known in MEASURES:
        if known.name == name:
            return known
    raise ParameterError(
        f"measure must be one of {', '.join(m.name for m in MEASURES)}, pass@K or majority@K, got {name!r}",
        field="measure",
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

    Where there are expected answers, pass@k and majority@k join for k = 2, 4, 8, ... up to the samples of a cell.

    Example:
        >>> "self_perplexity" in [measure.name for measure in measures_for(Samples(()))]
        False
    """
    there = samples.provides
    known = tuple(measure for measure in MEASURES if measure.needs <= there)
    if "expected" not in there:
        return known
    most = max((len(indices) for indices in samples.cells().values()), default=0)
    of_cells = tuple(made for k in VOTES if k <= most for made in (majority_at(k), pass_at(k)))
    place = known.index(ACCURACY) + 1
    return known[:place] + of_cells + known[place:]
