"""What each kind of server can express: everything is sent, and what would mean something else is refused."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import SamplingParams, distribution
from tempering.errors import ParameterError
from tempering.models.dialects import APART, DIALECTS, OWNERS, Dialect, body_of, recognise
from tempering.orders import STEPS
from tempering.params import ORDERS

OVER_ONE = {"repetition_penalty", "smoothing_curve", "dry_base", "dynatemp_exponent"}
FIELDS = [item.name for item in fields(SamplingParams) if item.name not in APART]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0, 1.9])
def test_what_is_off_is_sent_as_off(dialect: Dialect, temperature: float) -> None:
    body = body_of(dialect, SamplingParams(temperature=temperature))
    assert body["temperature"] == temperature
    assert set(dialect.words.values()) | set(dialect.always) <= set(body)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("name", [name for name in FIELDS if name != "temperature"])
def test_a_field_is_sent_or_refused(dialect: Dialect, name: str) -> None:
    value: Any = {"ties": "all", "top_k": 3, "p_less": 1, "dry_allowed_length": 3}.get(
        name, 1.5 if name in OVER_ONE else 0.5
    )
    settings: dict[str, Any] = {name: value}
    params = SamplingParams(**settings)
    if name in dialect.words:
        assert body_of(dialect, params)[dialect.words[name]] == value
    else:
        with pytest.raises(ParameterError, match=f"cannot be told {name}"):
            body_of(dialect, params)


def test_each_kind_is_recognised() -> None:
    assert {recognise([owner]) for owner in OWNERS} | {"openai"} == set(DIALECTS)
    assert recognise([]) == recognise(["None"]) == "openai"


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("vllm", {"temperature": 0.005}, r"raises temperatures between 0 and 0\.01"),
        ("vllm", {"temperature": math.inf}, "no infinite temperature"),
        ("vllm", {"top_p": 0.9, "min_p": 0.1}, "does min_p before top_p.*--order vllm"),
        ("llama-cpp-python", {"temperature": 0.5, "min_p": 0.1}, "does min_p before temperature.*--order llama.cpp"),
        ("sglang", {"top_k": 5, "top_p": 0.9}, "to the same distribution; say so with --order sglang"),
        ("vllm", {"top_k": 5, "top_p": 0.9, "order": "sglang"}, "one after the other; say so with --order vllm"),
        ("vllm", {"top_p": 0.9, "order": "exllamav3"}, "the last token of top_p"),
        ("openai", {"temperature": 0.5, "top_p": 0.9}, "nobody says in which order"),
        ("ollama", {"temperature": 0.5, "top_p": 0.9, "order": "mlx-lm"}, "nobody says in which order Ollama"),
    ],
)
def test_what_would_mean_something_else_is_refused(kind: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        body_of(DIALECTS[kind], SamplingParams(**settings))


def test_orders_are_sent_where_they_can_be() -> None:
    params = SamplingParams(temperature=0.5, min_p=0.1, order=("min_p", "temperature"))
    assert body_of(DIALECTS["llama.cpp"], params)["samplers"] == ["min_p", "temperature"]
    assert body_of(DIALECTS["tempering"], params)["order"] == ["min_p", "temperature"]
    every = body_of(DIALECTS["llama.cpp"], SamplingParams(order="llama.cpp"))["samplers"]
    assert every == ["penalties", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"]
    assert body_of(DIALECTS["tempering"], SamplingParams(temperature=math.inf))["temperature"] == "inf"


TRUNCATIONS = {"top_k": 4, "top_p": 0.8, "min_p": 0.1}


@given(
    logits=st.lists(st.floats(-6, 6), min_size=6, max_size=12, unique=True),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 1.7]),
    names=st.sets(st.sampled_from(sorted(TRUNCATIONS))),
    asked=st.sampled_from(list(permutations(["temperature", *TRUNCATIONS]))),
    kind=st.sampled_from(["vllm", "llama-cpp-python", "sglang"]),
)
def test_what_is_accepted_means_the_same_in_the_servers_order(
    logits: list[float], temperature: float, names: set[str], asked: tuple[str, ...], kind: str
) -> None:
    """Whatever passes has one distribution, in the order that was asked for and in the server's."""
    settings: dict[str, Any] = {name: TRUNCATIONS[name] for name in names}
    params = SamplingParams(temperature=temperature, order=asked, **settings)
    dialect = DIALECTS[kind]
    try:
        body_of(dialect, params)
    except ParameterError:
        return
    assert dialect.order
    there = SamplingParams(temperature=temperature, order=dialect.order, **settings)
    assert np.allclose(distribution(logits, params), distribution(logits, there), atol=1e-12)


def test_the_named_orders_pass_at_their_engines() -> None:
    named = {"vllm": "vllm", "llama-cpp-python": "llama.cpp", "lmstudio": "llama.cpp", "sglang": "sglang"}
    for kind, order in named.items():
        words = DIALECTS[kind].words
        settings: dict[str, Any] = {name: value for name, value in TRUNCATIONS.items() if name in words}
        assert body_of(DIALECTS[kind], SamplingParams(temperature=0.7, order=order, **settings))
    assert set(ORDERS["vllm"]) == set(STEPS)
