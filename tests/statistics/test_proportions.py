"""Proportions: Wilson's closed form, the edges, and answers that come in clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics import wilson


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_independent_answers_have_wilsons_interval(answers: list[float]) -> None:
    known = wilson(answers, range(len(answers)))
    expected = stats.binomtest(int(sum(answers)), len(answers)).proportion_ci(method="wilson")
    assert math.isclose(known.low, expected.low, abs_tol=1e-12)
    assert math.isclose(known.high, expected.high, abs_tol=1e-12)


def test_answers_that_agree_inside_prompts_are_worth_fewer() -> None:
    alike = np.repeat([1, 0, 1, 0, 1, 0, 1, 0], 10)
    mixed = np.tile([1, 0], 40)
    prompts = np.repeat(np.arange(8), 10)
    together, apart, alone = wilson(alike, prompts), wilson(mixed, prompts), wilson(alike, range(80))
    assert together.value == apart.value == alone.value == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert apart.high - apart.low < 1.5 * (alone.high - alone.low)
    assert (together.n, together.clusters) == (80, 8)


def test_no_success_at_all_still_has_an_upper_bound() -> None:
    none, all_of_them = (
        wilson(np.zeros(24), np.repeat(np.arange(8), 3)),
        wilson(np.ones(24), np.repeat(np.arange(8), 3)),
    )
    assert none.low == 0
    assert 0.1 < none.high < 0.5
    assert math.isclose(all_of_them.low, 1 - none.high)
    assert math.isnan(wilson([], []).low)
    assert wilson([math.nan, 1.0], [0, 1]).n == 1


def test_other_numbers_are_no_answers() -> None:
    with pytest.raises(ParameterError, match="0 or 1"):
        wilson([0.5], [0])
