"""Known-valid-set probes: "name a city" has answers that can be checked against a list, with no judge.

Validity is the accuracy of the grader, the list being the expected answers of the prompt. Here is the other half: how
many different valid answers a cell has.
"""

from __future__ import annotations

import math

from tempering.measures.base import Measure, Samples, of_cells


def valid_variety(samples: Samples, indices: list[int]) -> float:
    """Return the number of different valid answers of a cell over the number of its texts; NaN without a list."""
    grader = samples.grader
    expected = samples.expected.get(samples.completions[indices[0]].prompt_id, ())
    if grader is None or len(expected) < 2:
        return math.nan
    texts = [samples.completions[index].text for index in indices]
    # An answer is known by the item of the list that it matches, so that "Paris." and "paris" are one.
    found = {next((item for item in expected if grader(text, (item,)) == 1), None) for text in texts}
    return len(found - {None}) / len(texts)


VALID_VARIETY = Measure(
    name="valid_variety",
    title="Different valid answers",
    criterion="diversity",
    unit="different valid answers over answers",
    more="more of the list is named, by answers that are valid",
    low=0.0,
    high=1.0,
    validity=(
        "Exact, for questions with a list of valid answers (two expected answers or more). Read it beside accuracy, "
        "which is the validity. Depends on the number of samples of a cell, which is the same at every T."
    ),
    source="arXiv 2605.11128",
    function=of_cells(valid_variety),
    needs=frozenset({"expected", "cells"}),
    length="not affected",
)
