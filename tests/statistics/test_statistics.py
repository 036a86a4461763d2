"""Intervals: closed forms, coverage on known-answer systems, and honest answers where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics import Estimate, bca_mean, mean_p, rank_trend, t_mean

PROMPTS = np.repeat(np.arange(8), 3)


def test_the_interval_is_that_of_the_cluster_means() -> None:
    """Symmetric cluster means: no skewness to correct, so t over them."""
    values = np.repeat([-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0], 3) + np.tile([-0.3, 0.0, 0.3], 8) + 1
    half = stats.t.ppf(0.975, 7) * values.reshape(8, 3).mean(axis=1).std(ddof=1) / math.sqrt(8)
    exact = t_mean(values, PROMPTS)
    assert math.isclose(exact.value, 1.0)
    assert math.isclose(exact.high - exact.value, half)
    assert math.isclose(exact.value - exact.low, half)


def test_a_tail_lengthens_its_own_side_and_at_most_twice() -> None:
    values = np.array([0.0, 0.1, 0.0, 0.2, 0.1, 0.0, 0.1, 3.0])
    plain = stats.t.ppf(0.975, 7) * values.std(ddof=1) / math.sqrt(8)
    for method in (t_mean, bca_mean):
        known, mirrored = method(values, range(8)), method(-values, range(8))
        assert known.high - known.value > known.value - known.low
        assert math.isclose(mirrored.low, -known.high, rel_tol=0.02)
    corrected = t_mean(values, range(8))
    assert plain < corrected.high - values.mean() < 2.5 * plain
    assert math.isclose(values.mean() - corrected.low, plain)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=12), st.floats(-50, 50), st.floats(0.001, 0.3))
def test_an_interval_is_its_test_turned_round(values: list[float], null: float, level: float) -> None:
    """At any level: p is below it exactly where the interval leaves the null out."""
    if np.ptp(values) > 1e-3:
        units = range(len(values))
        p, known = mean_p(values, units, null), t_mean(values, units, confidence=1 - level)
        assert abs(p - level) < 1e-6 or (p < level) == (not known.low <= null <= known.high)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(1, 6))
def test_spearman_is_scipys(y: list[float], kinds: int) -> None:
    x = [i % kinds for i in range(len(y))]
    known = rank_trend(x, y, range(len(y)))
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert math.isnan(known.value)
    else:
        assert math.isclose(known.value, stats.spearmanr(x, y)[0], abs_tol=1e-12)


@given(st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(math.nan)), max_size=30), st.integers(1, 5))
def test_a_mean_is_the_mean_of_what_is_defined(values: list[float], clusters: int) -> None:
    known = t_mean(values, [i % clusters for i in range(len(values))])
    defined = [value for value in values if not math.isnan(value)]
    assert known.n == len(defined)
    if not defined:
        assert math.isnan(known.value)
        assert known.clusters == 0
    else:
        assert math.isclose(known.value, float(np.mean(defined)), abs_tol=1e-9)
        assert math.isnan(known.low) == (len(defined) == 1)
        if len(defined) > 1:
            assert known.low <= known.value + 1e-9
            assert known.value - 1e-9 <= known.high


def test_the_values_of_one_cluster_are_the_units() -> None:
    values = np.random.default_rng(2).normal(size=30)
    known, half = t_mean(values, np.zeros(30)), stats.t.ppf(0.975, 29) * values.std(ddof=1) / math.sqrt(30)
    assert known.clusters == 1
    assert math.isclose(known.high - known.low, 2 * half, rel_tol=0.05)
    assert rank_trend(np.arange(30), values, np.zeros(30)).low > -1


def test_pairing_removes_what_pairs_share() -> None:
    generator = np.random.default_rng(5)
    shared = 10 * generator.normal(size=24)
    first, second = shared + generator.normal(size=24) * 0.1, shared + 0.5 + generator.normal(size=24) * 0.1
    assert t_mean(second - first, PROMPTS).excludes_zero
    assert not t_mean(second, PROMPTS).low > t_mean(first, PROMPTS).high


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(1).normal(size=24)
    assert bca_mean(values, PROMPTS) == bca_mean(values, PROMPTS)
    assert bca_mean(values, PROMPTS) != bca_mean(values, PROMPTS, seed=1)


def test_what_cannot_be_said_is_not_said() -> None:
    constant = rank_trend([0, 1, 2], [1.0, 1.0, 1.0], [0, 1, 2])
    single = rank_trend([0, 1, 2], [1.0, 2.0, 3.0], [0, 0, 0])
    assert math.isnan(constant.value)
    assert single.value == 1
    assert math.isnan(single.low)
    assert not Estimate(1.0, math.nan, math.nan, 1, 1).excludes_zero


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ParameterError, match="clusters"):
        t_mean([1.0, 2.0], [0])
    with pytest.raises(ParameterError, match="confidence"):
        t_mean([1.0], [0], confidence=1)
    with pytest.raises(ParameterError, match="resamples"):
        bca_mean([1.0, 2.0], [0, 1], resamples=1)
    with pytest.raises(ParameterError, match="one entry a value"):
        rank_trend([1.0], [1.0, 2.0], [0, 0])
