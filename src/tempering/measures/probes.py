"""Known-valid-set probes: "name a city" has answers that can be checked against a list, with no judge.

Validity is the accuracy of the grader, the list being the expected answers of the prompt. Here is the rest: how much of
the list the answers of a cell cover, and how evenly.
"""

from __future__ import annotations

import math
from collections import Counter

from tempering.measures.base import Measure, Samples, of_cells


def valid_answers(samples: Samples, indices: list[int]) -> Counter[str] | None:
    """Return how often a cell gives each answer of the list; None without a grader or a list of two or more.

    An answer is known by the item of the list that it matches, so that "Paris." and "paris" are one.
    """
    grader = samples.grader
    expected = samples.expected.get(samples.completions[indices[0]].prompt_id, ())
    if grader is None or len(expected) < 2:
        return None
    texts = [samples.completions[index].text for index in indices]
    named = (next((item for item in expected if grader(text, (item,)) == 1), None) for text in texts)
    return Counter(item for item in named if item is not None)


def valid_coverage(samples: Samples, indices: list[int]) -> float:
    """Return the number of different valid answers of a cell over the most there could be; NaN without a list.

    The most is the length of the list, or the number of the cell's texts if there are fewer.
    """
    found = valid_answers(samples, indices)
    expected = samples.expected.get(samples.completions[indices[0]].prompt_id, ())
    return math.nan if found is None else len(found) / min(len(expected), len(indices))


def valid_evenness(samples: Samples, indices: list[int]) -> float:
    """Return how likely two valid answers of a cell differ; NaN without a list, or below two valid answers.

    1 - sum n_i (n_i - 1) / (n (n - 1)) over answers i: unbiased for 1 - sum p_i^2, whatever the number n of valid ones.
    """
    found = valid_answers(samples, indices) or Counter()
    n = found.total()
    return 1 - sum(k * (k - 1) for k in found.values()) / (n * (n - 1)) if n > 1 else math.nan


_NEEDS = frozenset({"expected", "cells"})
_LIST = "Exact, for questions with a list of valid answers (two expected answers or more). Read it beside accuracy"

VALID_COVERAGE = Measure(
    name="valid_coverage",
    title="Valid answers that are given",
    criterion="diversity",
    unit="share of the list, or of as many as there are answers",
    more="more of the list is named",
    low=0.0,
    high=1.0,
    validity=(
        f"{_LIST}, which is the validity. Depends on the number of samples of a cell, which is the same at every T, "
        "and falls where answers become invalid."
    ),
    source="after arXiv 2605.11128",
    function=of_cells(valid_coverage),
    needs=_NEEDS,
    length="not affected",
)
VALID_EVENNESS = Measure(
    name="valid_evenness",
    title="Evenness of the valid answers",
    criterion="diversity",
    unit="chance that two valid answers differ",
    more="no answer of the list is preferred",
    low=0.0,
    high=1.0,
    validity=f"{_LIST}. Unbiased at any number of valid answers, of which there must be two.",
    source="Simpson 1949, doi 10.1038/163688a0; for probes after arXiv 2605.11128",
    function=of_cells(valid_evenness),
    needs=_NEEDS,
    length="not affected",
)
