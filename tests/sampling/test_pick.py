"""The winner without most of the noise is the winner of the definition, on rows made to disagree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering import SamplingParams
from tempering.sampling.distribution import process
from tempering.sampling.draw import choose, draw_rows
from tempering.sampling.noise import GROUP, Source, gumbel, keys_of
from tempering.sampling.pick import contest, winners

# On a grid, so that ties are common; far below, so that whole groups are left out; masked.
VALUES = st.one_of(st.integers(-12, 12).map(lambda i: i / 4), st.sampled_from([-60.0, -700.0, -np.inf, 11.5]))
WIDTHS = st.sampled_from([1, 2, 7, GROUP - 1, GROUP, GROUP + 1, 300])
ROWS = st.tuples(st.sampled_from([np.float32, np.float64]), st.tuples(st.integers(1, 4), WIDTHS)).flatmap(
    lambda t: hnp.arrays(t[0], t[1], elements=VALUES.map(t[0]), fill=VALUES.map(t[0]))
)


@settings(max_examples=300, deadline=None)
@given(z=ROWS, sequence=st.integers(0, 10_000), temperature=st.sampled_from([1e-300, 1e-6, 0.3, 1.0, 2.0, 50.0, 1e300]))
def test_the_winner_is_that_of_the_definition(z: np.ndarray, sequence: int, temperature: float) -> None:
    z[:, 0] = np.where(np.isneginf(z.max(axis=1)), 0, z[:, 0])
    sequences = sequence + np.arange(len(z))
    keys, best = keys_of(5, sequences, 2, (len(z),)), z.max(axis=1).astype(np.float64)
    with np.errstate(over="ignore"):
        got = contest(z, keys).winners(best, min(1 / temperature, 1e300))
    assert winners(z, keys, best, min(1 / temperature, 1e300)).tolist() == got.tolist()
    expected = choose(process(z, SamplingParams(temperature=temperature)), gumbel(5, sequences, 2, z.shape[1]))
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["equal", "one token", "two tied", "masked", "peaked"])
def test_rows_that_would_show_a_bound_that_is_too_low(kind: str) -> None:
    vocabulary, rows = 5 * GROUP + 3, 400
    z = np.zeros((rows, vocabulary))
    if kind == "one token":
        z[:, 1:] = -np.inf
    elif kind == "two tied":
        z[:] = -40.0
        z[:, [3, 2 * GROUP + 1]] = 0.0
    elif kind == "masked":
        z[np.random.default_rng(1).random(z.shape) < 0.9] = -np.inf
        z[:, -1] = -3.0
    elif kind == "peaked":
        z = np.random.default_rng(2).normal(size=z.shape) * 6
    keys, noise = keys_of(6, np.arange(rows), 1, (rows,)), gumbel(6, np.arange(rows), 1, vocabulary)
    assert contest(z, keys).winners(z.max(axis=1), 1.0).tolist() == (z + noise).argmax(axis=1).tolist()


def test_little_noise_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one token leads by 20 nats: the groups' own, and that of one group at most."""
    asked = list[int]()
    plain = Source.words

    def counted(source: Source, key: tuple[int, int, int], stream: int, count: int, place: int = 0) -> Any:
        asked.append(count)
        return plain(source, key, stream, count, place)

    monkeypatch.setattr(Source, "words", counted)
    z = np.full((50, 40 * GROUP), -20.0)
    z[:, 77] = 0.0
    contest(z, keys_of(1, np.arange(50), 0, (50,))).winners(np.zeros(50), 2.0)
    assert sum(asked) <= 50 * (40 + 2 * GROUP)


@pytest.mark.parametrize("temperature", [0.0, 1e-300, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bare_rows_have_the_facts_of_the_distribution(temperature: float, dtype: Any) -> None:
    z = (np.random.default_rng(3).normal(size=(70, 1000)) * 4).astype(dtype)
    z[::3, ::2] = -np.inf
    keys, params = keys_of(np.arange(70), 4, np.arange(70), (70,)), SamplingParams(temperature=temperature)
    bare, whole = draw_rows(z, params, keys), draw_rows(z, params, keys, whole=True)
    assert bare.state is None
    assert whole.state is not None
    own = np.arange(70), bare.tokens
    assert bare.raw_logprobs.tolist() == whole.state.raw_logprobs[own].tolist(), "a token of the request has the same"
    assert bare.processed_logprobs.tolist() == whole.state.logprobs[own].tolist()
    assert np.allclose(bare.entropies, whole.state.entropy, rtol=1e-12, atol=1e-12)
    for name in ("tokens", "raw_logprobs", "processed_logprobs", "entropies"):
        assert getattr(bare, name).tolist() == getattr(whole, name).tolist(), "whatever a neighbour asks for"
    assert np.isnan(draw_rows(z, params, keys, facts=False).entropies).all()


def test_rows_may_have_seeds_of_their_own() -> None:
    z = np.random.default_rng(4).normal(size=(6, 90))
    for params in (SamplingParams(), SamplingParams(top_p=0.9), SamplingParams(xtc_probability=0.5)):
        for method in ("gumbel", "inverse"):
            together = draw_rows(z, params, keys_of(np.arange(6), 1, 2, (6,)), method=method)
            for at in range(6):
                alone = draw_rows(z[at], params, keys_of(at, 1, 2, (1,)), method=method)
                assert together.tokens[at] == alone.tokens[0]
                assert math.isclose(together.raw_logprobs[at], alone.raw_logprobs[0], rel_tol=1e-12)
