"""Parity with the samplers of llama.cpp, called without a model, and the list of what stays different."""

from __future__ import annotations

import ctypes
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from tempering import Context, SamplingParams, distribution
from tests.engines.parity import Case, cases, verdict

pytestmark = [pytest.mark.engine("llama_cpp"), pytest.mark.filterwarnings("ignore")]

CHOICES: dict[str, list[float]] = {
    "temperature": [1e-3, 0.1, 0.5, 1.0, 1.7, 10.0, 1e4],
    "top_k": [1, 2, 5, 50, 1000],
    "top_p": [0.05, 0.5, 0.75, 0.9, 0.999],
    "min_p": [0.01, 0.1, 0.5, 1.0],
    "typical_p": [0.2, 0.5, 0.95],
}


def applied(logits: np.ndarray, samplers: list[Any]) -> np.ndarray:
    """Return the probabilities that a chain of samplers leaves; their own softmax comes last."""
    import llama_cpp

    data = (llama_cpp.llama_token_data * len(logits))(*[(i, float(z), 0.0) for i, z in enumerate(logits)])
    array = llama_cpp.llama_token_data_array(data, len(logits), -1, False)
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for sampler in [*samplers, llama_cpp.llama_sampler_init_dist(0)]:
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    llama_cpp.llama_sampler_apply(chain, ctypes.byref(array))
    p = np.zeros(len(logits))
    for i in range(array.size):
        p[array.data[i].id] = array.data[i].p
    llama_cpp.llama_sampler_free(chain)
    return p


def theirs(case: Case) -> np.ndarray:
    import llama_cpp

    make: dict[str, Any] = {
        "top_n_sigma": llama_cpp.llama_sampler_init_top_n_sigma,
        "top_k": llama_cpp.llama_sampler_init_top_k,
        "typical_p": lambda v: llama_cpp.llama_sampler_init_typical(v, 1),
        "top_p": lambda v: llama_cpp.llama_sampler_init_top_p(v, 1),
        "min_p": lambda v: llama_cpp.llama_sampler_init_min_p(v, 1),
        "temperature": llama_cpp.llama_sampler_init_temp,
    }
    return applied(case.logits, [create(case.settings[name]) for name, create in make.items() if name in case.settings])


def test_two_thousand_rows() -> None:
    counts: Counter[str] = Counter()
    for case in cases(2_600, CHOICES, {"order": "llama.cpp"}, seed=2):
        if "typical_p" in case.settings and np.isneginf(case.logits).any():
            continue  # see below: NaN keys are sorted
        found = verdict(case, theirs)
        counts[found] += 1
        assert found != "different", (case.settings, case.logits.tolist()[:60])
    assert counts.total() >= 2_000
    assert counts["same"] > 0.9 * counts.total(), counts


def test_top_n_sigma() -> None:
    choices = {"temperature": CHOICES["temperature"], "top_n_sigma": [0.5, 1.0, 2.0]}
    for case in cases(400, choices, {"order": "llama.cpp"}, seed=3):
        assert verdict(case, theirs) != "different", (case.settings, case.logits.tolist()[:60])


@pytest.mark.parametrize(
    "settings", [{"top_p": 0.5}, {"top_k": 40}, {"min_p": 0.05}, {"top_k": 100, "top_p": 0.9}], ids=str
)
def test_a_large_vocabulary(settings: dict[str, Any]) -> None:
    z = (np.random.default_rng(3).normal(size=128_256) * 3).astype(np.float32)
    settings = settings | {"order": "llama.cpp", "temperature": 1.3}
    p, ours = theirs(Case(z, settings)), distribution(z, SamplingParams(**settings))
    if settings.get("top_p") == 0.5:  # their running sum is float32: a few tokens off among hundreds
        assert abs(int((p > 0).sum()) - int((ours > 0).sum())) <= 0.01 * (ours > 0).sum()
    else:
        assert verdict(Case(z, settings), theirs) in {"same", "edge"}


@pytest.mark.parametrize("sizes", [(0.5, 1.0), (0.3, 2.0), (1.5, 1.0)])
def test_dynamic_temperature(sizes: tuple[float, float]) -> None:
    """Theirs moves T by the same formula; the rows hold no masked tokens, which it counts as candidates."""
    import llama_cpp

    spread, exponent = sizes
    rng = np.random.default_rng(4)
    for _ in range(100):
        z = (rng.normal(size=30) * 2).astype(np.float32)
        p = applied(z, [llama_cpp.llama_sampler_init_temp_ext(1.0, spread, exponent)])
        params = SamplingParams(temperature=1, dynatemp_range=spread, dynatemp_exponent=exponent, order="llama.cpp")
        assert np.allclose(p, distribution(z, params), rtol=1e-4, atol=1e-9)


def test_xtc_when_the_coin_always_falls() -> None:
    import llama_cpp

    rng = np.random.default_rng(5)
    for _ in range(200):
        z = (rng.normal(size=20) * 2).astype(np.float32)
        p = applied(z, [llama_cpp.llama_sampler_init_xtc(1.0, 0.1, 1, 0)])
        params = SamplingParams(xtc_probability=1, xtc_threshold=0.1, order="llama.cpp")
        assert np.allclose(p, distribution(z, params), rtol=1e-5, atol=1e-9)


def test_mirostat_at_the_first_token() -> None:
    import llama_cpp

    rng = np.random.default_rng(6)
    for _ in range(200):
        z = (rng.normal(size=40) * 2).astype(np.float32)
        data = (llama_cpp.llama_token_data * len(z))(*[(i, float(x), 0.0) for i, x in enumerate(z)])
        array = llama_cpp.llama_token_data_array(data, len(z), -1, False)
        sampler = llama_cpp.llama_sampler_init_mirostat_v2(0, 1.5, 0.1)
        llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
        left = {array.data[i].id for i in range(array.size)}
        llama_cpp.llama_sampler_free(sampler)
        ours = distribution(z, SamplingParams(mirostat_tau=1.5), Context())
        assert left == set(np.flatnonzero(ours))


def test_what_stays_different_t_tiny_and_infinite() -> None:
    """z / T overflows to NaN or inf; the last token is then drawn without a word."""
    z = np.array([3.0, 2.0, -np.inf], dtype=np.float32)
    for temperature, ours in ((1e-40, [1, 0, 0]), (math.inf, [0.5, 0.5, 0])):
        case = Case(z, {"temperature": temperature, "order": "llama.cpp"})
        assert np.isnan(theirs(case)).any()
        assert distribution(z, SamplingParams(**case.settings)).tolist() == ours


def test_what_stays_different_typical_beside_a_masked_token() -> None:
    """-p log p with p = 0 is NaN in theirs, and what is left follows from sorting NaN."""
    with np.errstate(divide="ignore"):
        z = np.log(np.array([0.4, 0.2, 0.2, 0.2, 0.0], dtype=np.float32))
    case = Case(z, {"typical_p": 0.5, "order": "llama.cpp"})
    assert set(np.flatnonzero(distribution(z, SamplingParams(**case.settings)))) == {1, 2, 3}
    assert set(np.flatnonzero(theirs(case))) != {1, 2, 3}


def test_what_stays_different_dynamic_temperature_beside_masked_tokens() -> None:
    """Theirs divides the entropy by the log of all candidates, ours by that of those that can be drawn."""
    import llama_cpp

    z = np.array([2.0, 1.0, 0.0, -np.inf, -np.inf], dtype=np.float32)
    params = SamplingParams(dynatemp_range=0.5, order="llama.cpp")
    ours = distribution(z, params)
    assert np.array_equal(ours[:3], distribution(z[:3], params)), "a masked token changes nothing"
    assert not np.allclose(applied(z, [llama_cpp.llama_sampler_init_temp_ext(1.0, 0.5, 1.0)]), ours, rtol=1e-3)


def test_what_stays_different_nan() -> None:
    """Theirs draws from a row with NaN; ours names the row."""
    p = theirs(Case(np.array([1.0, np.nan, 2.0, 0.0], dtype=np.float32), {"top_k": 2}))
    assert np.isnan(p).any() or p[2] == 0, "the true maximum is dropped or its probability is NaN"
    with pytest.raises(ValueError, match="NaN"):
        distribution([1.0, math.nan, 2.0, 0.0], SamplingParams(top_k=2))
