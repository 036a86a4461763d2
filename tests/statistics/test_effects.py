"""Effect sizes and comparisons: closed forms, pairs, Holm, and what could have been seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics import (
    cliffs_delta,
    cohens_d,
    detectable,
    equivalence,
    holm,
    paired_comparisons,
    smallest_detectable_effect,
    smallest_detectable_trend,
)

PAIRS = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=4, max_size=30)


@given(PAIRS)
def test_cliffs_delta_counts_all_combinations(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    known = cliffs_delta(first, second, range(len(first)))
    assert math.isclose(known.value, np.sign(second[:, None] - first).mean(), abs_tol=1e-12)
    assert -1 <= known.low <= known.high <= 1


def test_cohens_d_is_its_formula_and_turns_with_the_pairs() -> None:
    generator = np.random.default_rng(0)
    first = generator.normal(size=40)
    second, prompts = first + 0.5 + 0.3 * generator.normal(size=40), np.repeat(np.arange(8), 5)
    known, turned = cohens_d(first, second, prompts), cohens_d(second, first, prompts)
    spread = math.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
    assert math.isclose(known.value, (second - first).mean() / spread)
    assert math.isclose(known.low, -turned.high)
    assert known.low < known.value < known.high
    assert cohens_d([1.0] * 5, [1.0] * 5, range(5)).value == 0
    assert math.isnan(cohens_d([1.0] * 5, [2.0] * 5, range(5)).value)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= c <= min(1.0, p * len(p_values)) + 1e-12 for p, c in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)


def test_settings_are_compared_on_the_pairs_they_share() -> None:
    generator = np.random.default_rng(1)
    table = generator.normal(size=(8, 3, 1)) + generator.normal(size=(8, 3, 3)) * 0.1 + np.array([0.0, 0.0, 1.0])
    prompts, samples, x = (axis.ravel() for axis in np.meshgrid(range(8), range(3), [0.2, 1.0, 1.8], indexing="ij"))
    y = table.ravel()
    y[0] = math.nan
    found = paired_comparisons(x, y, prompts, samples)
    assert [(one.first, one.second) for one in found] == [(0.2, 1.0), (0.2, 1.8), (1.0, 1.8)]
    assert [one.difference.n for one in found] == [23, 23, 24]
    assert [one.detected for one in found] == [False, True, True]
    assert found[0].p_holm >= found[0].p
    assert 0 < found[0].detectable.value < 0.5
    assert found[2].delta.value > 0.3
    against = paired_comparisons(x, y, prompts, samples, reference=1.0)
    assert [one.second for one in against] == [0.2, 1.8]
    # Fewer comparisons, a milder correction.
    assert against[1].p == found[2].p
    assert against[1].p_holm <= found[2].p_holm
    with pytest.raises(ParameterError, match="not among"):
        paired_comparisons(x, y, prompts, samples, reference=0.5)
    with pytest.raises(ParameterError, match="two values"):
        paired_comparisons([0.0, 0.0], [1.0, 2.0], [0, 0], [0, 0])


def test_prompts_that_all_agree_are_as_strong_as_their_number() -> None:
    """Equal differences: t knows no limit; eight agreeing prompts are one chance in 2^7."""
    [found] = paired_comparisons([0] * 8 + [1] * 8, [1.0] * 8 + [2.0] * 8, [*range(8)] * 2, [0] * 16)
    assert math.isclose(found.p, 2 / 2**8)
    [same] = paired_comparisons([0] * 8 + [1] * 8, [1.0] * 16, [*range(8)] * 2, [0] * 16)
    assert same.p == 1


@pytest.mark.parametrize("df", [1, 2, 7, 39, 1000])
def test_what_is_detectable_has_the_power_it_says(df: int) -> None:
    shift = detectable(1.0, df)
    critical = stats.t.isf(0.025, df)
    power = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
    assert math.isclose(float(np.nan_to_num(power, nan=0.8)), 0.8, abs_tol=0.002)


def test_power_by_simulation() -> None:
    """Studies whose effect is the smallest detectable one: 1,000 of them, standard error 1.3 points around 80 %."""
    generator, found = np.random.default_rng(5), 0
    shift = detectable(math.sqrt(1 / 8), 7)
    for _ in range(1000):
        found += stats.ttest_1samp(generator.normal(shift, 1, size=8), 0).pvalue < 0.05
    assert 0.76 <= found / 1000 <= 0.84


def test_more_prompts_show_smaller_effects() -> None:
    generator = np.random.default_rng(2)
    few, many = (generator.normal(size=n) for n in (8, 40))
    small, large = smallest_detectable_effect(few, range(8)), smallest_detectable_effect(many, range(40))
    assert small.value > 1.5 * large.value
    assert small.low < small.value < small.high
    strict = smallest_detectable_effect(few, range(8), alpha=0.05 / 45)
    assert strict.value > small.value
    assert math.isnan(smallest_detectable_effect([1.0], [0]).value)
    assert math.isnan(smallest_detectable_effect([1.0] * 5, range(5)).value)
    trend = smallest_detectable_trend(np.tile([0, 1, 2], 8), generator.normal(size=24), np.repeat(np.arange(8), 3))
    assert 0 < trend.low < trend.value < trend.high < 1
    for option in ({"power": 1.0}, {"alpha": 0.0}):
        with pytest.raises(ParameterError):
            detectable(1.0, 7, **option)


def test_equivalence_needs_precision_not_only_a_small_difference() -> None:
    generator = np.random.default_rng(3)
    close, wide = 0.02 * generator.normal(size=20), 3 * generator.normal(size=20)
    assert equivalence(close, range(20), 0.1).equivalent
    assert not equivalence(wide - wide.mean(), range(20), 0.1).equivalent
    assert not equivalence(close + 0.5, range(20), 0.1).equivalent
    known = equivalence(close, range(20), 0.1)
    assert math.isclose(known.difference.confidence, 0.9)
    # Both say the same: the 90 % interval lies inside the margin.
    assert known.difference.low > -0.1
    assert known.difference.high < 0.1
    for margin in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ParameterError, match="margin"):
            equivalence(close, range(20), margin)
