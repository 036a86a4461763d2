"""The compiled loops against the plain definitions: the same tokens, the same errors, on rows made to disagree."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering import Context, SamplingParams, draw
from tempering.errors import LogitsError
from tempering.orders import ENGINES
from tempering.sampling import plan
from tempering.sampling.distribution import process
from tempering.sampling.draw import Draws, draw_rows
from tempering.sampling.kernels.cuts import ids_within
from tempering.sampling.kernels.reading import Room, read
from tempering.sampling.mirostat import first_mu
from tempering.sampling.noise import keys_of
from tempering.sampling.reduce import cut_of

# On a grid, so that ties are common; far below, so that whole blocks are skipped; masked.
VALUES = st.one_of(st.integers(-24, 24).map(lambda i: i / 4), st.sampled_from([-60.0, -700.0, -np.inf, 11.5]))
WIDTHS = st.sampled_from([1, 2, 3, 5, 17, 100, 511, 512, 513, 1500])
DTYPES = st.sampled_from([np.float32, np.float64])
RULES: list[dict[str, Any]] = [
    {},
    {"top_k": 1},
    {"top_k": 3},
    {"top_k": 700},
    {"top_k": 3, "ties": "all"},
    {"top_p": 0.6},
    {"top_p": 0.5, "order": "sglang"},
    {"top_p": 0.5, "order": "exllamav3"},
    {"top_p": 0.999999},
    {"min_p": 0.2},
    {"min_p": 1.0},
    {"min_p": 0.1, "order": "llama.cpp"},
    {"top_n_sigma": 1.0},
    {"top_n_sigma": 0.0001},
    {"epsilon": 0.01},
    {"epsilon": 0.9},
    {"eta": 0.02},
    {"p_less": 1},
    {"mirostat_tau": 1.5},
    {"top_k": 20, "top_p": 0.9, "min_p": 0.05, "order": "llama.cpp"},
    {"top_k": 20, "typical_p": 0.7, "order": "llama.cpp"},
    {"min_p": 0.01, "top_k": 9, "top_p": 0.8, "order": "vllm"},
    {"top_k": 12, "xtc_probability": 0.5, "xtc_threshold": 0.05},
    {"top_k": 12, "dynatemp_range": 0.4, "order": "llama.cpp"},
    {"presence_penalty": 0.5, "repetition_penalty": 1.3, "top_k": 5},
    {"dry_multiplier": 0.8, "min_p": 0.1},
    {"typical_p": 0.7},
    {"top_h": 0.4},
    {"xtc_probability": 0.5},
]


@pytest.fixture(autouse=True)
def kernels_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan.available(), "numba is a dependency of the package"
    monkeypatch.setattr(plan, "SMALLEST", 1)


def rows_of(width: int, kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(4, width)) * 2
    if kind == "ties":
        z = np.round(z * 2) / 2
    elif kind == "realistic":  # a few tokens lead, most lie far below
        z -= 20
        z[:, rng.integers(0, width, 12)] = rng.normal(size=(4, 12))
    elif kind == "masked":
        z[rng.random(z.shape) < 0.7] = -np.inf
        z[:, rng.integers(width)] = 1.0
    return z


def both(z: np.ndarray, params: SamplingParams, method: str, context: Any = None) -> tuple[Draws, Draws]:
    keys = keys_of(3, np.arange(len(z)) * 77, 2**40 + 5, (len(z),))
    quick = draw_rows(z, params, keys, context=context, method=method)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SMALLEST", 2**40)
        plain = draw_rows(z, params, keys, context=context, method=method)
    return quick, plain


def same(quick: Draws, plain: Draws) -> None:
    assert quick.tokens.tolist() == plain.tokens.tolist()
    for name in ("raw_logprobs", "processed_logprobs", "entropies"):
        assert np.allclose(getattr(quick, name), getattr(plain, name), rtol=1e-12, atol=1e-11), name


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("method", ["gumbel", "inverse"])
def test_the_loops_draw_what_the_definitions_draw(rule: dict[str, Any], method: str) -> None:
    context = Context(prompt=(1, 2, 3), generated=(4, 1, 2, 3, 4, 1, 2))
    for kind in ("normal", "ties", "realistic", "masked"):
        for temperature in (0.0, 1e-300, 0.7, 3.0, math.inf):
            params = SamplingParams(temperature=temperature, **rule)
            for dtype in (np.float32, np.float64):
                z = rows_of(1500, kind, 1).astype(dtype)
                same(*both(z, params, method, context))


@settings(max_examples=150, deadline=None)
@given(
    z=st.tuples(DTYPES, st.tuples(st.integers(1, 3), WIDTHS)).flatmap(
        lambda t: hnp.arrays(t[0], t[1], elements=VALUES.map(t[0]), fill=VALUES.map(t[0]))
    ),
    rule=st.sampled_from(RULES),
    temperature=st.sampled_from([0.0, 1e-6, 0.5, 1.0, 2.0, math.inf]),
    method=st.sampled_from(["gumbel", "inverse"]),
)
def test_on_any_rows(z: np.ndarray, rule: dict[str, Any], temperature: float, method: str) -> None:
    z[:, 0] = np.where(np.isneginf(z.max(axis=1)), 0, z[:, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SMALLEST", 1)
        same(*both(z, SamplingParams(temperature=temperature, **rule), method))


@pytest.mark.parametrize("order", sorted(ENGINES))
def test_under_every_order(order: str) -> None:
    params = SamplingParams(temperature=1.4, top_k=50, top_p=0.9, min_p=0.02, order=order)
    same(*both(rows_of(1500, "normal", 4), params, "gumbel"))


@pytest.mark.parametrize("kind", ["normal", "realistic"])
def test_a_large_vocabulary(kind: str) -> None:
    z = rows_of(128_256, kind, 9).astype(np.float32)
    for rule in ({}, {"top_p": 0.95}, {"top_k": 40}, {"top_p": 0.999999, "temperature": 1.7}):
        for method in ("gumbel", "inverse"):
            same(*both(z, SamplingParams(**rule), method))


def kept_sets(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Return rows of 20,000 tokens, float32: many blocks, so that sums are sampled, guessed and left out."""
    z = rng.normal(size=(2, 20_000))
    if kind == "ties":
        z = np.round(z * 4) / 4
    elif kind == "coarse":  # as a model in bfloat16 gives them
        z = (z * 3 + 10).astype(ml_dtypes.bfloat16)
    elif kind == "masked":
        z[rng.random(z.shape) < 0.9] = -np.inf
        z[:, 0] = 0
    elif kind == "realistic":
        z = z * 2 - 20
        z[:, rng.integers(0, 20_000, 30)] = rng.normal(size=(2, 30)) * 2
    elif kind == "rising":  # the first block is the least likely
        z = np.linspace(-90, 0, 20_000) + 0.1 * z
    return z.astype(np.float32)


@pytest.mark.parametrize("kind", ["normal", "ties", "coarse", "masked", "realistic", "rising"])
def test_kept_sets_are_those_of_the_definitions(kind: str) -> None:
    """Every rule on float32 sums, where a token's mass is near their rounding: the sets agree to the token."""
    rng = np.random.default_rng(11)
    rules: list[dict[str, Any]] = [
        *({"top_p": p} for p in (0.2, 0.9, 0.9999)),
        *({"top_p": 0.7, "order": order} for order in ("sglang", "exllamav3")),
        *({"typical_p": p} for p in (0.2, 0.6, 0.95)),
        *({"epsilon": 1e-4}, {"eta": 0.001}, {"p_less": 1}, {"mirostat_tau": 9.0}, {"top_n_sigma": 1.0}),
        *({"top_k": 40}, {"top_k": 6000}, {"top_k": 40, "ties": "all"}, {"min_p": 0.05}),
    ]
    for rule in rules:
        for temperature in (0.3, 0.8, 20.0):
            z, params = kept_sets(kind, rng), SamplingParams(temperature=temperature, **rule)
            way = plan.plan(params)
            assert way is not None
            expected = process(z, params).keep
            for logits, keep in zip(z, expected, strict=True):
                row = read(logits, Room(len(logits)), way.temperature)
                assert row is not None
                cut = cut_of(row, way, params, first_mu(params))
                assert ids_within(row, cut).tolist() == np.flatnonzero(keep).tolist(), (rule, temperature)


FIRST: dict[str, Any] = {
    "top_k": 3,
    "top_p": 0.5,
    "min_p": 0.1,
    "typical_p": 0.5,
    "top_n_sigma": 1.0,
    "epsilon": 0.01,
    "eta": 0.01,
    "p_less": 1,
    "mirostat_tau": 2.0,
    "frequency_penalty": 0.5,
}
"""Every way through the loops, by what comes first."""

BAD: list[tuple[Callable[[np.ndarray], object], str]] = [
    (lambda z: z.__setitem__((2, 700), np.nan), "row 2 of logits: NaN"),
    (lambda z: z.__setitem__((2, 700), -np.nan), "row 2 of logits: NaN"),
    (lambda z: z.__setitem__((1, 3), np.inf), r"row 1 of logits: \+inf"),
    (lambda z: z.__setitem__(3, -np.inf), "row 3 of logits: no token left"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("rule", [{}, *({name: value} for name, value in FIRST.items()), {"temperature": 0}], ids=str)
@pytest.mark.parametrize("method", ["gumbel", "inverse"])
def test_bad_rows_are_named(
    spoil: Callable[[np.ndarray], object], message: str, dtype: Any, rule: dict[str, Any], method: str
) -> None:
    z = rows_of(1500, "normal", 2).astype(dtype)
    spoil(z)
    with pytest.raises(LogitsError, match=message):
        draw(z, SamplingParams(**rule), method=method)


@pytest.mark.parametrize("rule", [{}, *({name: value} for name, value in FIRST.items())], ids=str)
def test_a_bad_row_leaves_no_trace_in_the_next_draw(rule: dict[str, Any]) -> None:
    z = rows_of(1500, "normal", 2).astype(np.float32)
    bad = z.copy()
    bad[1, 7] = np.nan
    before = draw(z, SamplingParams(**rule)).tolist()
    with pytest.raises(LogitsError, match="row 1 of logits: NaN"):
        draw(bad, SamplingParams(**rule))
    assert draw(z, SamplingParams(**rule)).tolist() == before
    assert (
        draw(np.delete(bad, 1, axis=0), SamplingParams(**rule), sequence=[0, 0, 0]).tolist()
        == np.delete(before, 1).tolist()
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.int64, np.float32])
def test_other_types_and_layouts(dtype: Any) -> None:
    wide = np.round(rows_of(1500, "normal", 5) * 3).astype(dtype)
    for z in (wide, wide[:, ::2], np.asfortranarray(wide)):
        for name, value in FIRST.items():
            same(*both(z, SamplingParams(**{name: value}), "gumbel"))
    assert draw(wide[:0], SamplingParams()).shape == (0,)
    assert draw(wide.reshape(2, 2, -1), SamplingParams(temperature=0)).tolist() == [
        [int(row.argmax()) for row in part] for part in wide.reshape(2, 2, -1)
    ]
    for name, value in FIRST.items():
        for method in ("gumbel", "inverse"):
            params = SamplingParams(**{name: value})
            assert draw(np.zeros((3, 1), np.float32), params, method=method).tolist() == [0, 0, 0]
            assert draw(wide[:0], params, method=method).shape == (0,)
