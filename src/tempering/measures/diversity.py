"""Diversity and repetition inside a text, at an equal budget of words or characters."""

from __future__ import annotations

import math
import zlib

from tempering.generation.completion import Completion
from tempering.measures.base import Measure, each
from tempering.measures.words import ngrams, windows, words

WINDOW = 50
CHARACTERS = 400


def distinct_2(completion: Completion) -> float:
    """Return the share of different ones among the bigrams, mean over windows of 50 words; NaN below 50 words."""
    shares = [
        len(set(pairs)) / len(pairs) for part in windows(words(completion.text), WINDOW) if (pairs := ngrams(part, 2))
    ]
    return sum(shares) / len(shares) if shares else math.nan


def self_repetition(completion: Completion) -> float:
    """Return the share of 4-grams that came before in the same window of 50 words; NaN below 50 words."""
    shares = [
        1 - len(set(grams)) / len(grams)
        for part in windows(words(completion.text), WINDOW)
        if (grams := ngrams(part, 4))
    ]
    return sum(shares) / len(shares) if shares else math.nan


def compression_ratio(completion: Completion) -> float:
    """Return bytes over compressed bytes (zlib, level 9) of the first 400 characters; NaN for a shorter text."""
    if len(completion.text) < CHARACTERS:
        return math.nan
    raw = completion.text[:CHARACTERS].encode("utf-8", errors="replace")
    return len(raw) / len(zlib.compress(raw, 9))


DISTINCT_2 = Measure(
    name="distinct_2",
    title="Different word pairs",
    criterion="diversity",
    unit="share of bigrams, in 50-word windows",
    more="fewer word pairs come twice",
    low=0.0,
    high=1.0,
    validity="Says that words vary, not that the text is good: a random list of words has 1.",
    source="Li et al. 2016, arXiv 1510.03055; at equal length",
    function=each(distinct_2),
    length="in windows of 50 words",
)
SELF_REPETITION = Measure(
    name="self_repetition",
    title="Repeated four-word sequences",
    criterion="diversity",
    unit="share of 4-grams, in 50-word windows",
    more="more of the text says again what it said",
    low=0.0,
    high=1.0,
    validity="Marks loops, the usual failure at low T. Songs and refrains have it too.",
    source="Welleck et al. 2020, arXiv 1908.04319 (seq-rep-4); at equal length",
    function=each(self_repetition),
    better="lower",
    length="in windows of 50 words",
)
COMPRESSION_RATIO = Measure(
    name="compression_ratio",
    title="Compression ratio",
    criterion="diversity",
    unit="bytes over compressed bytes, first 400 characters",
    more="more redundant text",
    low=0.0,
    high=math.inf,
    validity=(
        "On the 31 rated stories it tracked neither novelty nor any other rating. Only texts of 400 characters or more "
        "are counted."
    ),
    source="Shaib et al. 2024, arXiv 2403.00553",
    function=each(compression_ratio),
    length="the first 400 characters",
)
