"""Edit distance: how many characters of a text must change to make it the exemplar of its prompt."""

from __future__ import annotations

import math

import numpy as np

from tempering.measures.base import Measure, Samples, Values


def levenshtein(first: str, second: str) -> int:
    """Return the least number of characters to insert, delete or replace that turns one text into the other.

    A whole column of the table is held in the bits of one number (Myers 1999, in the form of Hyyrö 2003).

    Example:
        >>> levenshtein("kitten", "sitting"), levenshtein("", "abc"), levenshtein("same", "same")
        (3, 3, 0)
    """
    if not first or not second:
        return len(first) + len(second)
    places: dict[str, int] = {}
    for at, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << at
    whole, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rises, falls, distance = whole, 0, len(first)  # between neighbouring rows of the column
    for character in second:
        equal = places.get(character, 0)
        down = equal | falls
        across = (((equal & rises) + rises) ^ rises) | equal
        rise = falls | (whole & ~(across | rises))
        fall = rises & across
        distance += bool(rise & last) - bool(fall & last)
        rise, fall = (rise << 1) | 1, fall << 1
        rises = (fall | ~(down | rise)) & whole
        falls = rise & down & whole
    return distance


def edit_distance(samples: Samples) -> Values:
    """Return the edit distance of each text to the exemplar of its prompt over the length of the longer one."""
    known: dict[tuple[str, str], float] = {}
    for completion in samples.completions:
        key = completion.prompt_id, completion.text
        if key not in known:
            exemplar = samples.exemplars.get(completion.prompt_id, "")
            longest = max(len(exemplar), len(completion.text))
            known[key] = levenshtein(exemplar, completion.text) / longest if exemplar and longest else math.nan
    return np.array([known[c.prompt_id, c.text] for c in samples.completions], dtype=np.float64)


EDIT_DISTANCE = Measure(
    name="edit_distance",
    title="Edit distance to the greedy text",
    criterion="typicality",
    unit="share of the longer text's characters",
    more="more characters must change to make it what the model writes at T=0",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for being untypical, of unknown validity: two texts on the same story in other words are almost as "
        "far apart as two on different stories, so that it soon stops telling them apart. At T=0 it is 0 by definition."
    ),
    source="normalised edit distance to the exemplar, Peeperkorn et al. 2024, arXiv 2405.00492",
    function=edit_distance,
    needs=frozenset({"exemplars"}),
    length="divided by the length of the longer text",
)
