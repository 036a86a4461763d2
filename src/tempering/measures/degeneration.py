"""Degeneration: loops, and texts that stop before they have begun."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tempering.generation.completion import Completion
from tempering.measures.base import Measure, each
from tempering.measures.words import ngrams, windows, words

WINDOW = 50
PERIOD = 16
"""The longest block, in words, whose repetition is looked for."""

TIMES = 3
SHORT = 10


def self_repetition(completion: Completion) -> float:
    """Return the share of 4-grams that came before in the same window of 50 words; NaN below 50 words."""
    shares = [
        1 - len(set(grams)) / len(grams)
        for part in windows(words(completion.text), WINDOW)
        if (grams := ngrams(part, 4))
    ]
    return sum(shares) / len(shares) if shares else math.nan


def looping(found: Sequence[str]) -> list[bool]:
    """Return for each word whether it lies in a loop: a block of up to 16 words said three times in a row, or more.

    Example:
        >>> sum(looping("so he ran and ran and ran and ran home".split()))
        7
    """
    inside = [False] * len(found)
    for period in range(1, PERIOD + 1):
        run = 0  # how many words in a row equal the word one period before them
        for place in range(period, len(found)):
            run = run + 1 if found[place] == found[place - period] else 0
            if run >= period * (TIMES - 1):
                begin = place - run - period + 1
                inside[begin : place + 1] = [True] * (place + 1 - begin)
    return inside


def loop_share(completion: Completion) -> float:
    """Return the share of words in loops, mean over windows of 50 words; NaN below 50 words."""
    shares = [sum(looping(part)) / len(part) for part in windows(words(completion.text), WINDOW)]
    return sum(shares) / len(shares) if shares else math.nan


def early_stop(completion: Completion) -> float:
    """Return 1 if the model ended the text with fewer than ten words, 0 if not."""
    return float(completion.finish_reason == "stop" and len(words(completion.text)) < SHORT)


SELF_REPETITION = Measure(
    name="self_repetition",
    title="Repeated four-word sequences",
    criterion="degeneration",
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
LOOP_SHARE = Measure(
    name="loop_share",
    title="Words in loops",
    criterion="degeneration",
    unit="share of words, in 50-word windows",
    more="more of the text repeats a block of up to 16 words three times in a row",
    low=0.0,
    high=1.0,
    validity="Exact for word-for-word loops; one that changes a name each time is not seen. Refrains count too.",
    source="after Holtzman et al. 2020, arXiv 1904.09751",
    function=each(loop_share),
    better="lower",
    length="in windows of 50 words",
)
EARLY_STOP = Measure(
    name="early_stop",
    title="Stopped at once",
    criterion="degeneration",
    unit="share of texts that the model ended before ten words",
    more="more texts stop before they have begun",
    low=0.0,
    high=1.0,
    validity="Exact; for answers that are meant to be short it means nothing.",
    source="a count",
    function=each(early_stop),
    length="it is about length",
)
