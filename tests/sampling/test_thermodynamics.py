"""Thermodynamics: equal to a plain reference in extended precision, to closed forms, and to finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering import SamplingParams, facts
from tempering.errors import LogitsError, ParameterError
from tempering.sampling.thermodynamics import thermodynamics

LOGITS = st.integers(1, 40).flatmap(
    lambda n: hnp.arrays(
        np.float64,
        n,
        elements=st.one_of(st.floats(-1000, 1000), st.floats(-5, 5).map(lambda v: round(v, 1)), st.just(-math.inf)),
    )
)
TEMPERATURES = st.lists(st.one_of(st.floats(1e-6, 1e6), st.floats(0.2, 3)), min_size=1, max_size=5)


def reference(z: np.ndarray, t: float) -> dict[str, float]:
    """Return the definitions, summed token by token with the Python functions that round once."""
    kept = sorted((float(v) for v in z if v > -math.inf), reverse=True)
    weights = [math.exp((v - kept[0]) / t) for v in kept]
    total = math.fsum(weights)
    p = [w / total for w in weights]
    mean = math.fsum(a * (v - kept[0]) for a, v in zip(p, kept, strict=True))
    central = [math.fsum(a * (v - kept[0] - mean) ** k for a, v in zip(p, kept, strict=True)) for k in (2, 3)]
    return {
        "log_z": kept[0] / t + math.log(total),
        "mean_logit": kept[0] + mean,
        "variance": central[0],
        "entropy": math.log(total) - mean / t,
        "entropy_slope": central[0] / t / t / t,
        "entropy_curvature": -(3 * central[0] + central[1] / t) / t / t / t / t,
        "heat_capacity": central[0] / t / t,
        "fisher_information": central[0] / t / t / t / t,
    }


@given(LOGITS, TEMPERATURES)
def test_equal_to_the_definitions(z: np.ndarray, temperatures: list[float]) -> None:
    """From T = 1e-6 to 1e6, ties, masked tokens and one-token vocabularies included."""
    z[0] = 0.0 if np.isneginf(z).all() else z[0]
    known = thermodynamics(z, temperatures)
    span = float(np.ptp(z[np.isfinite(z)]))
    for at, t in enumerate(temperatures):
        for name, value in reference(z, t).items():
            got = float(getattr(known, name)[at])
            # What cancels: moments to the rounding of the logits' span, its powers over T.
            slack = {"variance": span**2, "entropy": 1 + span / t, "heat_capacity": (span / t) ** 2}.get(name, 0.0)
            slack = {"entropy_slope": span**2 / t**3, "fisher_information": span**2 / t**4}.get(name, slack)
            slack = span**2 / t**4 * (3 + span / t) if name == "entropy_curvature" else slack
            slack = 1000 + abs(value) if name in {"mean_logit", "log_z"} else slack
            assert math.isclose(got, value, rel_tol=1e-9, abs_tol=1e-13 * slack), (name, t)


@given(LOGITS, st.one_of(st.floats(0.05, 20), st.sampled_from([0.0, math.inf])))
def test_equal_to_the_facts_of_one_temperature(z: np.ndarray, temperature: float) -> None:
    z[0] = 0.0 if np.isneginf(z).all() else z[0]
    one, grid = facts(z, SamplingParams(temperature=temperature)), thermodynamics(z, temperature)
    for name in ("entropy", "log_z", "mean_logit", "variance", "leak_mass"):
        assert math.isclose(getattr(one, name), getattr(grid, name)[0], rel_tol=1e-9, abs_tol=1e-9), name
    assert int(one.n95) == int(grid.n95[0])


def test_slopes_are_those_of_the_entropy() -> None:
    z = np.random.default_rng(1).normal(size=(5, 200)) * 3
    for t in (0.4, 1.0, 2.5):
        step = 1e-4 * t
        below, here, above = np.moveaxis(thermodynamics(z, [t - step, t, t + step]).entropy, 1, 0)
        known = thermodynamics(z, t)
        assert np.allclose(known.entropy_slope[:, 0], (above - below) / (2 * step), rtol=1e-5)
        assert np.allclose(known.entropy_curvature[:, 0], (above - 2 * here + below) / step**2, rtol=1e-3, atol=1e-4)


def test_two_tokens_in_closed_form() -> None:
    """Gap a: Var = a^2 p (1 - p); the heat capacity is the Schottky anomaly, whose peak is at T = 0.4168 a, 0.4392."""
    t = np.linspace(0.2, 2, 20_001)
    known = thermodynamics([[0.0, 3.0]], t * 3)
    p = 1 / (1 + np.exp(-1 / t))
    assert np.allclose(known.heat_capacity[0], p * (1 - p) / t**2)
    peak = int(known.heat_capacity[0].argmax())
    assert math.isclose(t[peak], 0.4168, abs_tol=2e-4)
    assert math.isclose(known.heat_capacity[0, peak], 0.4392, abs_tol=1e-4)


def test_the_ends_of_the_scale() -> None:
    z = [[2.0, 2.0, 1.0, -math.inf], [-1.0, -3.0, -3.0, -3.0], [0.0, -math.inf, -math.inf, -math.inf]]
    known = thermodynamics(z, [0.0, 1e-6, 1e6, math.inf])
    assert known.entropy[:, 0].tolist() == [0, 0, 0]
    assert np.allclose(known.entropy[:, 1], [math.log(2), 0, 0]), "a tie is greedy at 0 and open above"
    assert np.allclose(known.entropy[:, 2:], np.log([[3, 3], [4, 4], [1, 1]]))
    assert known.log_z[:, 0].tolist() == [math.inf, -math.inf, 0]
    assert known.n95[:, 0].tolist() == [1, 1, 1]
    assert known.n95[:, 3].tolist() == [3, 4, 1]
    for name in ("entropy_slope", "entropy_curvature", "heat_capacity", "fisher_information"):
        assert (getattr(known, name)[:, [0, 3]] == 0).all(), name
    assert (known.leak_mass[:, 0] == 0).all()


@pytest.mark.parametrize("size", [1, 128_256])
def test_any_vocabulary_and_leading_shape(size: int) -> None:
    z = np.random.default_rng(2).normal(size=(2, 1, size)).astype(np.float32)
    known = thermodynamics(z, [0.5, 1.0])
    assert known.entropy.shape == known.n95.shape == (2, 1, 2)
    assert np.allclose(known.entropy[1, 0], thermodynamics(z[1, 0], [0.5, 1.0]).entropy)


@pytest.mark.parametrize("temperatures", [[-1.0], [math.nan], [], [[1.0]]])
def test_bad_temperatures_are_named(temperatures: list[float]) -> None:
    with pytest.raises(ParameterError, match="temperatures"):
        thermodynamics([0.0, 1.0], temperatures)


def test_bad_logits_are_named() -> None:
    with pytest.raises(LogitsError, match="row 1"):
        thermodynamics([[0.0, 1.0], [0.0, math.nan]], [1.0])
