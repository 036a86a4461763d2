"""Orders compared and translated: exact where said to be, on random logits; the gap said where not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import SamplingParams, distribution, facts
from tempering.errors import ParameterError
from tempering.params import ORDERS
from tempering.sampling.equivalence import compare_orders, equivalent_temperature, translate

LOGITS = np.random.default_rng(1).normal(size=(40, 60)) * 2.5
SETTINGS = st.fixed_dictionaries(
    {"temperature": st.sampled_from([0.0, 0.3, 1.0, 1.7, 3.0, math.inf]), "order": st.sampled_from(sorted(ORDERS))},
    optional={
        "top_k": st.integers(1, 30),
        "top_p": st.floats(0.05, 0.99),
        "min_p": st.floats(0.001, 0.9),
        "typical_p": st.floats(0.1, 0.95),
        "top_n_sigma": st.floats(0.3, 2),
        "epsilon": st.floats(0.001, 0.2),
        "eta": st.floats(0.001, 0.2),
    },
)


@given(st.floats(0.05, 20))
def test_without_truncation_the_equivalent_temperature_is_the_temperature(temperature: float) -> None:
    found = equivalent_temperature(LOGITS[:3], SamplingParams(temperature=temperature))
    assert np.allclose(found, temperature, rtol=1e-5)


def test_the_equivalent_temperature_has_the_same_entropy() -> None:
    params = SamplingParams(temperature=2, top_p=0.8)
    found = equivalent_temperature(LOGITS, params)
    wanted = facts(LOGITS, params).entropy
    for row, t, h in zip(LOGITS, found, wanted, strict=True):
        assert math.isclose(float(facts(row, SamplingParams(temperature=float(t))).entropy), h, abs_tol=1e-8)
    assert (found < 2).all(), "truncation makes a distribution less random"


def test_edges_of_the_equivalent_temperature() -> None:
    assert float(equivalent_temperature([3.0, 1.0, 0.0], SamplingParams(top_k=1))) == 0
    assert float(equivalent_temperature([3.0, 1.0, 0.0], SamplingParams(temperature=math.inf))) == math.inf
    assert float(equivalent_temperature([5.0], SamplingParams())) == 0
    assert equivalent_temperature(np.zeros((2, 3, 4)), SamplingParams(top_k=2)).shape == (2, 3)


def test_orders_are_compared_to_the_settings_own() -> None:
    found = {
        row.order: row for row in compare_orders(LOGITS, SamplingParams(temperature=2, top_p=0.8, order="llama.cpp"))
    }
    assert set(found) == set(ORDERS)
    assert found["llama.cpp"].moved == 0
    assert found["transformers"].moved > 0.05
    assert found["transformers"].kept > found["llama.cpp"].kept
    assert found["transformers"].equivalent_temperature > found["llama.cpp"].equivalent_temperature
    plain = compare_orders(LOGITS, SamplingParams(temperature=2))
    assert all(row.moved == 0 and row.kept == 60 for row in plain)


@given(SETTINGS, st.sampled_from(sorted(ORDERS)))
def test_what_is_called_exact_is(settings: dict[str, Any], target: str) -> None:
    params = SamplingParams(**settings)
    found = translate(params, target)
    assert found.params.order == target
    assert found.gap is None
    if found.exact:
        here, there = distribution(LOGITS, params), distribution(LOGITS, found.params)
        # A token within rounding of a moved threshold may fall on either side; none does in all but rare draws.
        apart = np.abs(here - there).max(axis=1) > 1e-9
        assert apart.sum() <= 1, found.note


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_min_p_and_top_k_translate_exactly_between_all_orders(temperature: float) -> None:
    for source in ORDERS:
        params = SamplingParams(temperature=temperature, min_p=0.07, top_k=12, order=source)
        for target in ORDERS:
            found = translate(params, target, LOGITS)
            assert found.exact
            assert found.gap is not None
            assert found.gap < 1e-9


def test_top_p_has_no_exact_translation_and_the_nearest_is_near() -> None:
    params = SamplingParams(temperature=1.8, top_p=0.9)
    found = translate(params, "llama.cpp", LOGITS)
    assert not found.exact
    assert found.gap is not None
    untouched = np.abs(distribution(LOGITS, params) - distribution(LOGITS, replace(params, order="llama.cpp")))
    assert 0 < found.gap < untouched.sum(axis=1).mean() / 2
    assert "not the same distribution" in found.note
    assert translate(params, "vllm").exact, "both cut after temperature"


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ParameterError, match="order must be one of"):
        translate(SamplingParams(), "nonsense")
