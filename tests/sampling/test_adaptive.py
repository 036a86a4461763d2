"""Temperatures that follow the entropy, and smoothing: closed forms, limits, what stays in order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering import SamplingParams, distribution
from tempering.errors import ParameterError

ROWS = st.integers(1, 20).flatmap(lambda n: hnp.arrays(np.float64, n, elements=st.floats(-30, 30, width=32)))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum())


def test_dynamic_temperature_is_its_formula() -> None:
    z = np.log([0.5, 0.25, 0.25])
    share = (1.5 * math.log(2)) / math.log(3)
    t = 0.2 + 1.6 * share**2
    params = SamplingParams(temperature=1, dynatemp_range=0.8, dynatemp_exponent=2)
    assert np.allclose(distribution(z, params), softmax(z / t), atol=1e-14)


def test_dynamic_temperature_counts_what_is_kept_so_far() -> None:
    z = np.log([0.5, 0.25, 0.25])
    last = SamplingParams(temperature=1, dynatemp_range=0.5, top_k=2, order="llama.cpp")
    h = -(2 / 3) * math.log(2 / 3) - (1 / 3) * math.log(1 / 3)
    expected = softmax(z[:2] / (0.5 + h / math.log(2)))
    assert np.allclose(distribution(z, last)[:2], expected, atol=1e-14)


def test_edt_is_its_formula() -> None:
    z = np.log([0.5, 0.25, 0.25])
    t = 1.2 * 0.8 ** (0.7 / (1.5 * math.log(2)))
    assert np.allclose(distribution(z, SamplingParams(temperature=1.2, edt_theta=0.7)), softmax(z / t), atol=1e-14)


def test_edt_of_a_sure_row_is_greedy() -> None:
    assert distribution([0.0, -math.inf, -2000.0], SamplingParams(edt_theta=1)).tolist() == [1, 0, 0]


@given(ROWS, st.sampled_from([{"dynatemp_range": 0.5}, {"edt_theta": 1.0}]))
def test_the_limits_of_temperature_stay(z: np.ndarray, settings: dict[str, float]) -> None:
    for t in (0.0, math.inf):
        moved = distribution(z, SamplingParams(temperature=t, **settings))  # type: ignore[arg-type]
        assert (moved == distribution(z, SamplingParams(temperature=t))).all()


def test_both_at_once_are_refused() -> None:
    with pytest.raises(ParameterError, match="use one"):
        SamplingParams(dynatemp_range=0.1, edt_theta=1)


def test_smoothing_is_its_formula() -> None:
    z = np.array([2.0, 1.0, 0.0, -math.inf])
    d = np.array([0.0, -1.0, -2.0])
    expected = softmax(-0.3 * ((3 - 1.5) / 2 * d**2 - (1.5 - 1) / 2 * d**3) / 0.7)
    got = distribution(z, SamplingParams(temperature=0.7, smoothing_factor=0.3, smoothing_curve=1.5))
    assert np.allclose(got, [*expected, 0], atol=1e-14)


@given(ROWS, st.floats(0.01, 10), st.floats(1, 3))
def test_smoothing_keeps_the_order_of_tokens(z: np.ndarray, factor: float, curve: float) -> None:
    p = distribution(z, SamplingParams(smoothing_factor=factor, smoothing_curve=curve))
    assert (np.diff(p[np.argsort(z, kind="stable")]) >= -1e-15).all()
