"""Typicality: how near a text is to its prompt's exemplar, the greedy text."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from tempering.measures.base import Measure, Samples, Values
from tempering.measures.words import words


def cosine(first: Counter[str], second: Counter[str]) -> float:
    """Return the cosine of two count vectors in [0, 1]; NaN if one is empty.

    Example:
        >>> round(cosine(Counter("aab"), Counter("abb")), 6)
        0.8
    """
    norm = math.hypot(*first.values()) * math.hypot(*second.values())
    if norm == 0:
        return math.nan
    return min(1.0, sum(count * second[word] for word, count in first.items()) / norm)


def exemplar_similarity(samples: Samples) -> Values:
    """Return the cosine of word counts between each text and the exemplar of its prompt."""
    exemplars = {name: Counter(words(text)) for name, text in samples.exemplars.items()}
    none: Counter[str] = Counter()
    return np.array(
        [cosine(Counter(words(c.text)), exemplars.get(c.prompt_id, none)) for c in samples.completions],
        dtype=np.float64,
    )


EXEMPLAR_SIMILARITY = Measure(
    name="exemplar_similarity",
    title="Similarity to the greedy text",
    criterion="typicality",
    unit="cosine of word counts",
    more="nearer to what the model writes at T=0",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy: it compares words, not plots. At T=0 it is 1 by definition. No link with rated typicality is known; "
        "the published study found none between rated typicality and T."
    ),
    source="word-count form of the similarity to the exemplar in Peeperkorn et al. 2024, arXiv 2405.00492",
    function=exemplar_similarity,
    needs=frozenset({"exemplars"}),
    length="rises with it",
)
