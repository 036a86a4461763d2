"""The distribution: closed forms, the worked examples of the engines, limits of T, bad rows, properties."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tempering
from tempering.errors import LogitsError, ParameterError
from tempering.params import ORDERS, SamplingParams
from tempering.sampling.distribution import distribution, logprob
from tempering.sampling.penalties import Context

VOCABULARIES = st.integers(1, 40)
LOGITS = VOCABULARIES.flatmap(lambda n: hnp.arrays(np.float64, n, elements=st.floats(-50, 50, width=32)))
TEMPERATURES = st.one_of(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 50.0, 1e6, math.inf]), st.floats(1e-3, 1e3))
SETTINGS = st.fixed_dictionaries(
    {"temperature": TEMPERATURES},
    optional={
        "top_k": st.integers(0, 50),
        "top_p": st.floats(1e-6, 1),
        "min_p": st.floats(0, 1),
        "typical_p": st.floats(1e-6, 1),
        "top_n_sigma": st.floats(0, 5),
        "epsilon": st.floats(0, 0.999),
        "eta": st.floats(0, 0.999),
        "order": st.sampled_from(sorted(ORDERS)),
    },
)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum())


def kept(probabilities: list[float], **settings: Any) -> set[int]:
    with np.errstate(divide="ignore"):
        return set(np.flatnonzero(distribution(np.log(probabilities), SamplingParams(**settings))).tolist())


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1, 2, 50])
def test_temperature_is_softmax_of_logits_over_t(temperature: float) -> None:
    z = np.array([2.0, -1.0, 0.5, 0.5])
    assert np.allclose(distribution(z, SamplingParams(temperature=temperature)), softmax(z / temperature), atol=1e-15)


ENGINES: list[tuple[str, list[float], dict[str, Any], set[int]]] = [
    ("temperature first", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "top_p": 0.8}, {0, 1, 2}),
    ("temperature last", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "top_p": 0.8, "order": "llama.cpp"}, {0, 1}),
    ("min-p first", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "min_p": 0.3}, {0, 1, 2}),
    ("min-p before T", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "min_p": 0.3, "order": "llama.cpp"}, {0, 1}),
    ("renormalised after top-k", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.55}, {0}),
    ("top-k after top-p", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.55, "order": "mlx-lm"}, {0, 1}),
    ("crossing token kept", [0.5, 0.3, 0.2], {"top_p": 0.7}, {0, 1}),
    ("exact mass", [0.5, 0.25, 0.25], {"top_p": 0.5}, {0}),
    ("top-k tie by id", [0.3, 0.3, 0.3, 0.1], {"top_k": 2}, {0, 1}),
    ("top-p tie by id", [0.25] * 4, {"top_p": 0.6}, {0, 1, 2}),
    ("min-p equality kept", [0.4, 0.2, 0.2, 0.2], {"min_p": 0.5}, {0, 1, 2, 3}),
    ("top-p, then min-p", [0.4, 0.3, 0.1, 0.1, 0.1], {"min_p": 0.3, "top_p": 0.5}, {0, 1}),
    ("min-p, then top-p", [0.4, 0.3, 0.1, 0.1, 0.1], {"min_p": 0.3, "top_p": 0.5, "order": "vllm"}, {0}),
    ("typical tie by id", [0.2] * 5, {"typical_p": 0.5}, {0, 1, 2}),
    ("typical beside a masked token", [0.4, 0.2, 0.2, 0.2, 0.0], {"typical_p": 0.5}, {1, 2, 3}),
    ("min-p of one", [0.4, 0.4, 0.2], {"min_p": 1}, {0, 1}),
    ("tiny top-p", [0.4, 0.6], {"top_p": 1e-9}, {1}),
]


@pytest.mark.parametrize(
    ("probabilities", "settings", "expected"), [c[1:] for c in ENGINES], ids=[c[0] for c in ENGINES]
)
def test_kept_sets_of_worked_examples(probabilities: list[float], settings: dict[str, Any], expected: set[int]) -> None:
    assert kept(probabilities, **settings) == expected


def test_the_two_orders_differ_in_the_published_numbers() -> None:
    first = distribution([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_p=0.8))
    last = distribution([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_p=0.8, order="llama.cpp"))
    assert first.round(3).tolist() == [0.506, 0.307, 0.186, 0.0]
    assert last.round(3).tolist() == [0.622, 0.378, 0.0, 0.0]


def test_an_explicit_order_is_followed() -> None:
    params = SamplingParams(temperature=2, top_p=0.8, order=("top_p", "temperature"))
    assert np.allclose(
        distribution([3.0, 2.0, 1.0, 0.0], params),
        distribution([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_p=0.8, order="llama.cpp")),
    )


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_the_limits_of_temperature(order: str) -> None:
    z = [1.0, 3.0, 3.0, -math.inf, 2.0]
    assert distribution(z, SamplingParams(temperature=0, order=order)).tolist() == [0, 1, 0, 0, 0]
    assert distribution(z, SamplingParams(temperature=math.inf, order=order)).tolist() == [0.25, 0.25, 0.25, 0, 0.25]
    top = distribution(z, SamplingParams(temperature=math.inf, top_k=3, order=order))
    assert np.allclose(top, [0, 1 / 3, 1 / 3, 0, 1 / 3]), "ranked by logit although T made all equal"
    near = distribution(z, SamplingParams(temperature=1e-300, order=order))
    assert near.tolist() == [0, 0.5, 0.5, 0, 0]
    assert np.allclose(distribution(z, SamplingParams(temperature=1e300)), [0.25, 0.25, 0.25, 0, 0.25])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, np.int32])
def test_every_float_type_comes_out_as_float64(dtype: Any) -> None:
    z = np.array([[2, 1, 0], [0, 4, -8]]).astype(dtype)
    got = distribution(z, SamplingParams(temperature=0.5))
    assert got.dtype == np.float64
    assert np.allclose(got, [softmax(row.astype(float) * 2) for row in z], atol=1e-15)


@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3), (2, 0, 3), (2, 1, 2, 7)])
def test_any_leading_shape(shape: tuple[int, ...]) -> None:
    z = np.random.default_rng(1).normal(size=shape)
    got = distribution(z, SamplingParams(top_p=0.9))
    assert got.shape == shape
    for index in np.ndindex(*shape[:-1]):
        assert (got[index] == distribution(z[index], SamplingParams(top_p=0.9))).all(), "neighbours change nothing"


def test_the_largest_vocabulary() -> None:
    z = np.random.default_rng(2).normal(size=262_144).astype(np.float32) * 3
    p = softmax(z.astype(np.float64))
    order = np.argsort(-p, kind="stable")
    expected = int(np.searchsorted(np.cumsum(p[order]), 0.99)) + 1
    assert (distribution(z, SamplingParams(top_p=0.99)) > 0).sum() == expected


BAD = [
    ([[0.0, 1.0], [math.nan, 0.0]], (1,), "row 1 of logits: NaN"),
    ([[0.0, math.inf], [0.0, 0.0]], (0,), r"row 0 of logits: \+inf"),
    ([[[0.0, 0.0], [-math.inf, -math.inf]]], (0, 1), r"row \(0, 1\) of logits: no token left"),
    ([math.nan], (), "logits: NaN"),
    ([], (), "vocab >= 1"),
    (1.0, (), "vocab >= 1"),
    (["a"], (), "real numbers"),
]


@pytest.mark.parametrize(("logits", "row", "message"), BAD)
@pytest.mark.parametrize("temperature", [0, 1, math.inf])
def test_bad_rows_are_named(logits: Any, row: tuple[int, ...], message: str, temperature: float) -> None:
    with pytest.raises(LogitsError, match=message) as caught:
        distribution(logits, SamplingParams(temperature=temperature))
    assert caught.value.row == row


def test_penalties_follow_their_formulas() -> None:
    z = [2.0, -2.0, 1.0, 0.0]
    seen = Context(prompt=(0,), generated=(1, 1, 2))
    repeated = distribution(z, SamplingParams(repetition_penalty=2), seen)
    assert np.allclose(repeated, softmax(np.array([1.0, -4.0, 0.5, 0.0])))
    counted = distribution(z, SamplingParams(frequency_penalty=0.5, presence_penalty=0.25), seen)
    assert np.allclose(counted, softmax(np.array([2.0, -3.25, 0.25, 0.0])))
    assert np.allclose(distribution(z, SamplingParams(presence_penalty=1), [1, 2]), softmax(np.array([2.0, -3, 0, 0])))


def test_one_context_a_row_or_one_for_all() -> None:
    z, params = np.zeros((2, 3)), SamplingParams(presence_penalty=1)
    each = distribution(z, params, [Context(generated=(0,)), Context(generated=(2,))])
    assert each[0].argmin() == 0
    assert each[1].argmin() == 2
    assert (distribution(z, params, Context(generated=(1,)))[:, 1] < 0.2).all()
    with pytest.raises(ParameterError, match="2 rows, 1 given"):
        distribution(z, params, [Context()])
    with pytest.raises(ParameterError, match="outside the vocabulary of 3"):
        distribution(z, params, [3])


@given(LOGITS, SETTINGS)
def test_a_distribution_is_one(z: np.ndarray, settings: dict[str, Any]) -> None:
    p = distribution(z, SamplingParams(**settings))
    assert ((p >= 0) & (p <= 1)).all()
    assert math.isclose(p.sum(), 1, abs_tol=1e-9)
    assert p[z.argmax()] > 0 or settings.get("typical_p", 1) < 1, "only typical sampling may drop the best token"


@given(LOGITS, SETTINGS, st.data())
def test_masked_tokens_get_nothing_and_change_nothing(z: np.ndarray, settings: dict[str, Any], data: Any) -> None:
    place = data.draw(st.integers(0, len(z)))
    masked = np.insert(z, place, -np.inf)
    p = distribution(masked, SamplingParams(**settings))
    assert p[place] == 0
    assert np.allclose(np.delete(p, place), distribution(z, SamplingParams(**settings)), atol=1e-12)


@given(LOGITS, TEMPERATURES, st.integers(-40, 40))
def test_a_shift_of_all_logits_changes_nothing(z: np.ndarray, temperature: float, shift: int) -> None:
    z = np.round(z * 1024) / 1024  # the shift must not round the logits, or a tie at T=0 is broken otherwise
    params = SamplingParams(temperature=temperature)
    assert np.allclose(distribution(z, params), distribution(z + shift, params), atol=1e-9)


@given(LOGITS, st.floats(0.01, 100), st.floats(1.01, 10))
def test_a_higher_temperature_never_favours_the_best_token(z: np.ndarray, low: float, factor: float) -> None:
    cold, hot = (distribution(z, SamplingParams(temperature=t)) for t in (low, low * factor))
    best = z.argmax()
    assert cold[best] >= hot[best] - 1e-12
    assert ((cold[best] / np.maximum(cold, 1e-300)) >= (hot[best] / np.maximum(hot, 1e-300)) - 1e-9).all()


@given(LOGITS, st.sampled_from(sorted(ORDERS)), st.integers(1, 10), st.floats(0.5, 4))
def test_top_k_and_n_sigma_do_not_depend_on_temperature(z: np.ndarray, order: str, k: int, sigma: float) -> None:
    for settings in ({"top_k": k}, {"top_n_sigma": sigma}):
        sets = [
            distribution(z, SamplingParams(temperature=t, order=order, **settings)) > 0 for t in (8.0, 20.0, math.inf)
        ]
        assert (sets[0] == sets[1]).all()
        assert (sets[1] == sets[2]).all()


@given(LOGITS, st.floats(0.3, 3), st.floats(0.01, 1))
def test_min_p_moves_across_temperature_by_its_power(z: np.ndarray, temperature: float, share: float) -> None:
    """min-p at m before T is min-p at m^(1/T) after T; skipped where a token lies within rounding of the edge."""
    gap = (z - z.max()) - math.log(share)
    if (np.abs(gap) < 1e-6).any():
        return
    before = SamplingParams(temperature=temperature, min_p=share, order=("min_p", "temperature"))
    after = SamplingParams(temperature=temperature, min_p=share ** (1 / temperature))
    assert np.allclose(distribution(z, before), distribution(z, after), atol=1e-12)


def test_logprobs_are_labelled_and_agree_with_the_distribution() -> None:
    z, params = np.array([[2.0, 1.0, 0.0], [0.0, 5.0, 1.0]]), SamplingParams(temperature=0.5, top_k=2)
    pair = tempering.logprob(z, [1, 0], params)
    assert np.allclose(np.exp(pair.raw), [softmax(z[0])[1], softmax(z[1])[0]])
    assert np.isneginf(pair.processed[1])
    assert math.isclose(np.exp(pair.processed[0]), distribution(z[0], params)[1])


@pytest.mark.parametrize("tokens", [[0], [0, 3], [0, -1], [0.0, 1.0]])
def test_tokens_that_do_not_fit_are_refused(tokens: Any) -> None:
    with pytest.raises(ParameterError, match="tokens must be ids"):
        logprob(np.zeros((2, 3)), tokens)
