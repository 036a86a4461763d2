"""Facts: closed forms, derivatives against finite differences, limits, truncation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tempering
from tempering import SamplingParams

LOGITS = st.integers(2, 30).flatmap(lambda n: hnp.arrays(np.float64, n, elements=st.floats(-8, 8, width=32)))


def test_two_tokens_in_closed_form() -> None:
    """z = (a, 0): p = 1/(1+exp(-a/T)), Var = a^2 p (1-p), log Z = log(1 + exp(a/T))."""
    a, t = 1.5, 0.7
    p = 1 / (1 + math.exp(-a / t))
    known = tempering.facts([a, 0.0], SamplingParams(temperature=t))
    assert math.isclose(known.log_z, math.log1p(math.exp(a / t)))
    assert math.isclose(known.mean_logit, a * p)
    assert math.isclose(known.variance, a * a * p * (1 - p))
    assert math.isclose(known.entropy, -p * math.log(p) - (1 - p) * math.log(1 - p))
    assert math.isclose(known.fisher_information, a * a * p * (1 - p) / t**4)


@given(LOGITS, st.floats(0.3, 5))
def test_derivatives_agree_with_finite_differences(z: np.ndarray, t: float) -> None:
    step = 1e-4 * t
    low, mid, high = (tempering.facts(z, SamplingParams(temperature=x)) for x in (t - step, t, t + step))
    assert math.isclose(mid.entropy_slope, (high.entropy - low.entropy) / (2 * step), rel_tol=1e-3, abs_tol=1e-4)
    assert math.isclose(mid.heat_capacity, mid.variance / t**2, rel_tol=1e-9, abs_tol=1e-300)
    assert math.isclose(mid.entropy, mid.log_z - mid.mean_logit / t, abs_tol=1e-9)
    slope = (high.log_z - low.log_z) / (1 / (t + step) - 1 / (t - step))
    assert math.isclose(mid.mean_logit, slope, rel_tol=1e-3, abs_tol=1e-3)


@pytest.mark.parametrize("temperature", [0, 1e-300, 1e-6, 1e6, 1e300, math.inf])
def test_extreme_temperatures_give_finite_facts(temperature: float) -> None:
    known = tempering.facts([1.0, 3.0, 2.0, -math.inf], SamplingParams(temperature=temperature))
    for name in ("entropy", "choices", "mean_logit", "variance", "entropy_slope", "heat_capacity", "leak_mass"):
        assert np.isfinite(getattr(known, name)), name
    cold = temperature < 1
    assert math.isclose(known.choices, 1 if cold else 3, rel_tol=1e-5)
    assert known.entropy_slope == pytest.approx(0, abs=1e-9)
    assert known.n95 == (1 if cold else 3)


def test_n95_and_leak_mass_by_hand() -> None:
    p = np.array([0.5, 0.3, 0.12, 0.05, 0.03])  # the smallest 90 % set is {0, 1, 2}; 95 % needs .97 = 4 tokens
    plain = tempering.facts(np.log(p))
    assert plain.n95 == 4
    assert math.isclose(plain.leak_mass, 0.08)
    hot = p**0.5 / (p**0.5).sum()
    assert math.isclose(tempering.facts(np.log(p), SamplingParams(temperature=2)).leak_mass, hot[3:].sum())


def test_kept_set_and_its_mass() -> None:
    known = tempering.facts(np.log([[0.5, 0.3, 0.2]] * 2), SamplingParams(top_k=2))
    assert known.kept.tolist() == [[True, True, False]] * 2
    assert known.kept_count.tolist() == [2, 2]
    assert np.allclose(known.kept_mass, 0.8)
    assert np.allclose(known.entropy, -(5 / 8 * math.log(5 / 8) + 3 / 8 * math.log(3 / 8)))
    assert math.isclose(float(known.log_z[0]), math.log(0.8))


@given(LOGITS, st.floats(0.1, 5), st.floats(1.05, 3))
def test_entropy_rises_with_temperature(z: np.ndarray, t: float, factor: float) -> None:
    cold, hot = (tempering.facts(z, SamplingParams(temperature=x)) for x in (t, t * factor))
    assert hot.entropy >= cold.entropy - 1e-9
    assert 1 - 1e-9 <= cold.choices <= len(z) + 1e-9


def test_every_fact_has_the_leading_shape() -> None:
    known = tempering.facts(np.zeros((2, 3, 5)))
    assert known.entropy.shape == known.n95.shape == (2, 3)
    assert known.kept.shape == (2, 3, 5)
    assert known.entropy.dtype == np.float64
