"""Novelty against the training text: how much of a text is new, and the longest piece that is copied.

Knows how to ask a training text; knows nothing of how it answers (``corpus.py`` exactly, ``ngram_filter.py`` by hash).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from tempering.measures.base import HEAD, Measure, Samples, Values
from tempering.measures.corpus import CorpusIndex
from tempering.measures.ngram_filter import NgramFilter, load_filter
from tempering.models.embedded import WEIGHTS


def training_novelty(samples: Samples, n: int) -> Values:
    """Return the share of each text's n-grams of words that the training text does not hold; NaN below n words."""
    if samples.corpus is None or n not in samples.corpus.sizes:
        return np.full(len(samples.completions), math.nan)
    return np.array(samples.corpus.novelty(samples.words, n), dtype=np.float64)


def copied_span(samples: Samples) -> Values:
    """Return the most words in a row that stand in the training text, among each text's first ``budget`` words."""
    out = np.full(len(samples.completions), math.nan)
    if isinstance(samples.corpus, CorpusIndex):
        there = [index for index, head in enumerate(samples.heads) if head is not None]
        found = samples.corpus.matches([samples.heads[index] or () for index in there])
        out[there] = [float(matches.max(initial=0)) for matches in found]
    return out


@cache
def shipped_filter() -> NgramFilter:
    """Return the filter of the embedded model's training text.

    Example:
        >>> shipped_filter().sizes
        (1, 2, 3, 4, 6, 8)
    """
    return load_filter(WEIGHTS / "ngrams.npz")


def shipped_filter_of(model: str) -> NgramFilter | None:
    """Return the filter that ships, if it belongs to the model of this identity.

    Example:
        >>> shipped_filter_of("another@0123") is None
        True
    """
    known = shipped_filter()
    return known if model.partition("@")[0] == known.model else None


def training_novelty_of(n: int) -> Measure:
    """Return the measure of new n-grams.

    Example:
        >>> training_novelty_of(4).name
        'training_novelty@4'
    """
    what = "word" if n == 1 else f"{n} words in a row"
    return Measure(
        name=f"training_novelty@{n}",
        title=f"Not in the training text: {what}",
        criterion="novelty",
        unit=f"share of {n}-grams of words",
        more="less of the text could have been copied from the training text",
        low=0.0,
        high=1.0,
        validity=(
            "Exact against a corpus of yours. For the embedded model through a hashed filter: a false-positive rate of "
            "at most 0.4 % is corrected for, and from n = 3 on one n-gram in four or eight is asked for. New is not "
            "good: of expressions new in this sense about 91 % were not judged creative (arXiv 2509.22641), and word "
            "salad is new, so read it beside coherence."
        ),
        source="n-novelty, Merrill et al. 2024, arXiv 2406.13069; words instead of tokens",
        function=lambda samples: training_novelty(samples, n),
        needs=frozenset({"corpus"}),
        length="a share of positions: not affected on average",
    )


COPIED_SPAN = Measure(
    name="copied_span",
    title="Longest copied piece",
    criterion="novelty",
    unit="words in a row found in the training text",
    more="a longer piece of the text stands in the training text",
    low=0.0,
    high=math.inf,
    validity="Exact against a corpus of yours; formulas such as openings are copied by everyone.",
    source="longest common substring through a suffix array, Manber and Myers 1993",
    function=copied_span,
    needs=frozenset({"corpus_spans"}),
    length=HEAD,
)
