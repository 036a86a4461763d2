"""Many temperatures at once against one at a time, through the loops and without them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import SamplingParams, draw, facts
from tempering.errors import LogitsError, ParameterError
from tempering.sampling import plan
from tempering.sampling.forks import envelope
from tempering.sampling.noise import gumbel
from tempering.sampling.temperatures import draw_at, envelope_of, log_z

GRID = [0.0, 0.2, 0.7, 1.0, 1.9, 4.0, math.inf]


@pytest.fixture(autouse=True, params=[1, 2**40], ids=["loops", "plain"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SMALLEST", request.param)


def rows(seed: int, width: int) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(3, width)) * 2
    z[:, width // 2] = -np.inf
    z[:, 1:4] += 15  # a few tokens lead
    return z


@pytest.mark.parametrize(
    "temperatures", [1 / np.linspace(0.5, 2, 32), np.array([0.3, 1.0, 1.1]), np.array([2.0]), np.array([])]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_z_at_many_temperatures(temperatures: np.ndarray, dtype: Any) -> None:
    z = rows(1, 1300).astype(dtype)
    got = log_z(z, temperatures)
    assert got.shape == (3, len(temperatures))
    for k, t in enumerate(temperatures):
        assert np.allclose(got[:, k], facts(z, SamplingParams(temperature=float(t))).log_z, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000), width=st.sampled_from([5, 600, 1300]), highest=st.sampled_from([0.0, 0.5, 2.0, 30.0])
)
def test_the_envelope_is_the_plain_one(seed: int, width: int, highest: float) -> None:
    z = rows(seed, width)[0]
    for least in (1, 2**40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "SMALLEST", least)
            found = envelope_of(z, highest, seed=3, sequence=seed, step=2)
        expected = envelope(z, gumbel(3, seed, 2, width), highest)
        assert found.tokens.tolist() == expected.tokens.tolist()
        assert np.allclose(found.edges, expected.edges, rtol=1e-9)


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"top_k": 5},
        {"top_n_sigma": 1.0},
        {"top_p": 0.8},
        {"top_p": 0.8, "order": "llama.cpp"},
        {"presence_penalty": 9.0},
    ],
    ids=str,
)
def test_draws_at_many_temperatures_are_those_one_by_one(rule: dict[str, Any]) -> None:
    z = rows(5, 1300)
    keys = {"seed": 11, "sequence": np.arange(3), "step": 4, "context": [1, 2]}
    together = draw_at(z, GRID, SamplingParams(**rule), **keys)  # type: ignore[arg-type]
    for k, t in enumerate(GRID):
        alone = draw(z, SamplingParams(temperature=t, **rule), **keys)  # type: ignore[arg-type]
        assert together[:, k].tolist() == alone.tolist()
    assert draw_at(z[0], GRID, seed=11).shape == (len(GRID),)


def test_what_is_refused() -> None:
    with pytest.raises(ParameterError, match="temperatures"):
        log_z([1.0], [0.0])
    with pytest.raises(ParameterError, match="temperatures"):
        draw_at([1.0], [math.nan])
    with pytest.raises(ParameterError, match="highest"):
        envelope_of([1.0], math.inf, seed=0)
    for work in (lambda z: log_z(z, [1.0]), lambda z: envelope_of(z, 1.0, seed=0), lambda z: draw_at(z, [1.0])):
        with pytest.raises(LogitsError, match="NaN"):
            work(np.array([0.0, math.nan, 1.0]))
