"""Degeneration: loops, and texts that stop before they have begun."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tempering.generation.completion import Completion
from tempering.measures.base import WINDOWS, Measure, each, windowed
from tempering.measures.words import ngrams, words

PERIOD = 16
"""The longest block, in words, whose repetition is looked for."""

TIMES = 3
SHORT = 10


def self_repetition(part: Sequence[str]) -> float:
    """Return the share of 4-grams of words that came before in the same words; NaN below four words.

    Example:
        >>> round(self_repetition("a b c d a b c d".split()), 6)
        0.2
    """
    grams = ngrams(part, 4)
    return 1 - len(set(grams)) / len(grams) if grams else math.nan


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


def loop_share(part: Sequence[str]) -> float:
    """Return the share of words that lie in a loop, see ``looping``."""
    return sum(looping(part)) / len(part)


def early_stop(completion: Completion) -> float:
    """Return 1 if the model ended the text with fewer than ten words, 0 if not; NaN where words are not told apart."""
    found = words(completion.text)
    if not found and any(map(str.isalpha, completion.text)):
        return math.nan
    return float(completion.finish_reason == "stop" and len(found) < SHORT)


SELF_REPETITION = Measure(
    name="self_repetition",
    title="Repeated four-word sequences",
    criterion="degeneration",
    unit="share of 4-grams of a window",
    more="more of the text says again what it said",
    low=0.0,
    high=1.0,
    validity="Marks loops, the usual failure at low T. Songs and refrains have it too.",
    source="Welleck et al. 2020, arXiv 1908.04319 (seq-rep-4); at equal length",
    function=windowed(self_repetition),
    better="lower",
    length=WINDOWS,
)
LOOP_SHARE = Measure(
    name="loop_share",
    title="Words in loops",
    criterion="degeneration",
    unit="share of words of a window",
    more="more of the text repeats a block of up to 16 words three times in a row",
    low=0.0,
    high=1.0,
    validity="Exact for word-for-word loops; one that changes a name each time is not seen. Refrains count too.",
    source="after Holtzman et al. 2020, arXiv 1904.09751",
    function=windowed(loop_share),
    better="lower",
    length=WINDOWS,
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
