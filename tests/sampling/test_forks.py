"""The envelope: equal to a draw at every temperature, ties and masks included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering import SamplingParams
from tempering.errors import ParameterError
from tempering.sampling.distribution import process
from tempering.sampling.draw import choose
from tempering.sampling.forks import envelope, fork_scores, refuse_moving_sets
from tempering.sampling.noise import gumbel

ROWS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float64, n, elements=st.one_of(st.floats(-20, 20, width=16), st.just(-math.inf))),
        st.integers(0, 10_000),
    )
)


@given(ROWS, st.lists(st.floats(0, 5), min_size=1, max_size=20))
def test_the_envelope_is_the_draw_at_every_temperature(row: tuple[np.ndarray, int], temperatures: list[float]) -> None:
    """Wherever one token wins by more than rounding."""
    z, sequence = row
    z[0] = 0.0 if np.isneginf(z).all() else z[0]
    g = gumbel(1, sequence, 0, len(z))
    found = envelope(z, g, 5.0)
    for t in [0.0, *temperatures]:
        drawn = int(choose(process(z, SamplingParams(temperature=t)), g[None])[0])
        won = found.at(t)
        if won != drawn:
            assert t > 0
            assert math.isclose(
                z[won] + t * g[won], z[drawn] + t * g[drawn], rel_tol=1e-9, abs_tol=1e-9 + 1e-9 * abs(t)
            )


@given(ROWS)
def test_edges_rise_and_noise_rises_with_them(row: tuple[np.ndarray, int]) -> None:
    z, sequence = row
    z[0] = 0.0
    g = gumbel(2, sequence, 0, len(z))
    found = envelope(z, g, 3.0)
    assert len(found.tokens) == len(found.edges) + 1
    assert (np.diff(found.edges) > 0).all()
    assert (np.diff(g[found.tokens]) > 0).all()
    assert ((found.edges >= 0) & (found.edges < 3)).all()
    assert found.tokens[0] == z.argmax()
    assert not np.isneginf(z[found.tokens]).any()


def test_edges_are_exact_crossings() -> None:
    """z = 3, 2, 0 and g = 0, 1, 2.5: lines cross at 1 and at 4/3."""
    found = envelope([3.0, 2.0, 0.0], [0.0, 1.0, 2.5], 10.0)
    assert found.tokens.tolist() == [0, 1, 2]
    assert found.edges.tolist() == [1.0, 2 / 1.5]
    assert [found.at(t) for t in (0, 1.0, 1.0001, 4 / 3, 9.0)] == [0, 0, 1, 1, 2]


def test_a_tie_is_greedy_at_zero_and_open_above() -> None:
    found = envelope([1.0, 1.0, 0.0], [0.1, 0.9, 0.5], 2.0)
    assert found.at(0.0) == 0
    assert found.at(1e-12) == 1


@pytest.mark.parametrize("size", [1, 2, 128_256])
def test_any_vocabulary(size: int) -> None:
    z = np.random.default_rng(3).normal(size=size) * 3
    g = gumbel(4, 0, 0, size)
    found = envelope(z, g, 2.0)
    for t in np.random.default_rng(5).uniform(0, 2, 200):
        assert found.at(t) == (z + t * g).argmax()


@given(st.integers(0, 500), st.sampled_from([{"top_k": 4}, {"top_n_sigma": 1.0}, {"top_p": 0.7, "order": "llama.cpp"}]))
def test_a_kept_set_that_does_not_move_is_respected(sequence: int, settings: dict[str, float | str]) -> None:
    z = np.random.default_rng(sequence).normal(size=12) * 2
    params = SamplingParams(**settings)  # type: ignore[arg-type]
    g = gumbel(0, sequence, 0, 12)
    found = envelope(fork_scores(z, params)[0], g, 4.0)
    for t in (0.0, 0.3, 1.0, 2.2, 3.9):
        drawn = choose(process(z, SamplingParams(**{**settings, "temperature": t})), g[None])[0]  # type: ignore[arg-type]
        assert found.at(t) == drawn


@pytest.mark.parametrize("rule", [{"top_p": 0.9}, {"min_p": 0.1}, {"typical_p": 0.9}, {"epsilon": 0.1}, {"eta": 0.1}])
def test_a_kept_set_that_moves_is_refused(rule: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="keeps another set at every T"):
        refuse_moving_sets(SamplingParams(**rule))  # type: ignore[arg-type]
    refuse_moving_sets(SamplingParams(**rule, order="llama.cpp"))  # type: ignore[arg-type]


@pytest.mark.parametrize("highest", [-1, math.inf, math.nan])
def test_the_highest_temperature_is_finite(highest: float) -> None:
    with pytest.raises(ParameterError, match="highest"):
        envelope([0.0], [0.0], highest)
