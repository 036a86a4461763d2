"""What each kind of server can express of ``SamplingParams``, and in which words. Knows nothing of HTTP.

A field that a server cannot express must be off, or the settings are refused; every field that it can express is sent,
off or not, so that no default of the server acts in its place. ``docs/models.md`` says which kinds were run against a
real server and which were not; ``tempering doctor`` measures what a server really does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import Any

from tempering.errors import ParameterError
from tempering.models.base import LogprobKind
from tempering.orders import STEPS
from tempering.params import SamplingParams

COMMUTE = {frozenset(pair) for pair in (("temperature", "top_k"), ("temperature", "top_n_sigma"), ("top_k", "min_p"))}
"""Steps whose order changes nothing: temperature moves neither set, and both sets hold the likeliest tokens."""

KEEP_THE_FIRST = {"temperature", "top_k", "top_p", "min_p", "top_n_sigma", "epsilon", "eta", "top_h", "p_less"}
"""Steps after which the likeliest token is still the likeliest."""

APART = {"order", "seed"}
"""Fields that are no setting of one step: the order is checked apart, the seed is each sample's own."""


@dataclass(frozen=True)
class Dialect:
    """How a kind of server is spoken to.

    Attributes:
        title: what a reader calls it.
        words: field of ``SamplingParams`` to the key that the server reads.
        off: what is sent for a field that is off, where that is not the field's own value.
        always: keys that switch off what else the server would do to the distribution.
        order: what ``SamplingParams.order`` is to say for the server's own order; None where nobody says.
        samplers: step to its name in a list that sets the order; empty where the order cannot be set.
        order_key: the key of that list.
        infinite: whether T = inf can be said.
        lowest: the smallest T above 0 that is honoured.
        unsettable: what may act and cannot be switched off by a request.
        prefill: what is sent to let the answer go on from the assistant's last message; None where that is not known.
        logprobs: what logprobs are of, unless the server was told otherwise.
        concurrency: how many requests to send at once.
    """

    title: str
    words: Mapping[str, str]
    off: Mapping[str, Any] = field(default_factory=dict)
    always: Mapping[str, Any] = field(default_factory=dict)
    order: str | tuple[str, ...] | None = None
    samplers: Mapping[str, str] = field(default_factory=dict)
    order_key: str = "samplers"
    infinite: bool = False
    lowest: float = 0.0
    unsettable: str = ""
    prefill: Mapping[str, Any] | None = None
    logprobs: LogprobKind = "unknown"
    concurrency: int = 8


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}
OPENAI = _same("temperature", "top_p", "frequency_penalty", "presence_penalty")
DIALECTS: Mapping[str, Dialect] = {
    "llama.cpp": Dialect(
        title="llama.cpp's llama-server",
        words=_same("temperature", "top_k", "top_p", "min_p", "typical_p", "top_n_sigma")
        | _same("xtc_probability", "xtc_threshold")
        | {"repetition_penalty": "repeat_penalty"},
        off={"top_n_sigma": -1},
        always={
            "repeat_last_n": -1,
            "frequency_penalty": 0,
            "presence_penalty": 0,
            "mirostat": 0,
            "dynatemp_range": 0,
            "dry_multiplier": 0,
        },
        samplers=_same("penalties", "temperature", "top_k", "top_p", "min_p", "top_n_sigma", "xtc")
        | {"typical_p": "typ_p"},
        prefill=CONTINUE,
        logprobs="raw",
    ),
    "llama-cpp-python": Dialect(
        title="the server of llama-cpp-python",
        words=_same("temperature", "top_k", "top_p", "min_p"),
        always={"repeat_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0, "mirostat_mode": 0},
        order="llama.cpp",
        logprobs="raw",
        concurrency=1,  # it writes one text at a time, and by default a new request cuts a stream short
    ),
    "vllm": Dialect(
        title="vLLM",
        words=OPENAI | _same("top_k", "min_p", "repetition_penalty"),
        off={"top_k": -1},
        order="vllm",
        lowest=0.01,
        prefill=CONTINUE,
        logprobs="raw",
        concurrency=32,
    ),
    "sglang": Dialect(
        title="SGLang",
        words=OPENAI | _same("top_k", "min_p", "repetition_penalty"),
        off={"top_k": -1},
        order="sglang",
        prefill=CONTINUE,
        concurrency=32,
    ),
    "ollama": Dialect(
        title="Ollama",
        words=_same("temperature", "top_p"),
        always={"frequency_penalty": 0, "presence_penalty": 0},
        # no order: its own engine applies T before top-p, its llama.cpp runner after, and it depends on the model which
        unsettable="top_k (40 by default), min_p and repeat_penalty are the Modelfile's",
        concurrency=4,
    ),
    "lmstudio": Dialect(
        title="LM Studio",
        words=_same("temperature", "top_k", "top_p"),
        always={"repeat_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0},
        order="llama.cpp",
        unsettable="min_p is the preset's",
        concurrency=4,
    ),
    "tempering": Dialect(
        title="tempering serve",
        words=_same(*(item.name for item in fields(SamplingParams) if item.name not in APART | {"ties"})),
        samplers=_same(*STEPS),
        order_key="order",
        infinite=True,
        prefill={},
        logprobs="raw",
    ),
    "openai": Dialect(
        title="a hosted OpenAI-style server",
        words=OPENAI,
        unsettable="truncations other than top_p are not known",
    ),
}
"""The kinds of server, by the name that ``?server=`` takes."""

OWNERS = {
    "llamacpp": "llama.cpp",
    "me": "llama-cpp-python",
    "vllm": "vllm",
    "sglang": "sglang",
    "library": "ollama",
    "organization_owner": "lmstudio",
    "tempering": "tempering",
}
"""What the list of models says of their owner, and which server says so."""


def recognise(owners: list[str]) -> str:
    """Return the kind of server whose list of models names these owners; ``openai`` where it is none that is known.

    Example:
        >>> recognise(["vllm"]), recognise(["somebody"])
        ('vllm', 'openai')
    """
    return next((OWNERS[owner] for owner in owners if owner in OWNERS), "openai")


def body_of(dialect: Dialect, params: SamplingParams) -> dict[str, Any]:
    """Return the keys of a request that mean ``params`` to a server.

    Raises:
        ParameterError: the server cannot express them; the message names the field and what can be done.

    Example:
        >>> body_of(DIALECTS["ollama"], SamplingParams(temperature=0.5))["temperature"]
        0.5
        >>> body_of(DIALECTS["ollama"], SamplingParams(min_p=0.1))
        Traceback (most recent call last):
        tempering.errors.ParameterError: Ollama cannot be told min_p (0.1); it must be off
    """
    _check_temperature(dialect, params.temperature)
    body, values = dict(dialect.always), params.as_dict()
    for item in fields(SamplingParams):
        if item.name in APART:
            continue
        value = values[item.name]
        if item.name in dialect.words:
            off = value == item.default and item.name != "temperature"
            body[dialect.words[item.name]] = dialect.off.get(item.name, value) if off else value
        elif value != item.default:
            raise ParameterError(
                f"{dialect.title} cannot be told {item.name} ({value}); it must be off", field=item.name
            )
    if dialect.samplers:
        body[dialect.order_key] = [dialect.samplers[step] for step in params.steps if step in dialect.samplers]
    else:
        _check_order(dialect, params)
    return body


def _check_temperature(dialect: Dialect, temperature: float) -> None:
    if math.isinf(temperature) and not dialect.infinite:
        raise ParameterError(f"{dialect.title} takes no infinite temperature", field="temperature")
    if 0 < temperature < dialect.lowest:
        raise ParameterError(
            f"{dialect.title} raises temperatures between 0 and {dialect.lowest:g} to {dialect.lowest:g}; "
            f"use 0 or at least {dialect.lowest:g}, got {temperature:g}",
            field="temperature",
        )


def _check_order(dialect: Dialect, params: SamplingParams) -> None:
    """Refuse settings that mean another distribution in the server's order of steps."""
    active = set(params.active_steps())
    if params.temperature == 0 and active <= KEEP_THE_FIRST:
        return  # the likeliest token is drawn, in any order
    if params.temperature == 1 and not params.temperature_moves:
        active -= {"temperature"}
    pairs = [
        pair
        for pair in combinations([step for step in params.steps if step in active], 2)
        if frozenset(pair) not in COMMUTE
    ]
    if dialect.order is None:
        for first, second in pairs:
            raise _order_error(
                f"nobody says in which order {dialect.title} does {first} and {second}, which changes the "
                "distribution; use one of them, or name the order with ?order= in the model's address"
            )
        return
    there = replace(params, order=dialect.order)
    how = f"--order {dialect.order if isinstance(dialect.order, str) else ','.join(dialect.order)}"
    for first, second in pairs:
        if ({first, second} <= there.joint) != ({first, second} <= params.joint):
            which = "to the same distribution" if {first, second} <= there.joint else "one after the other"
            raise _order_error(f"{dialect.title} applies {first} and {second} {which}; say so with {how}")
        if there.steps.index(first) > there.steps.index(second) and not {first, second} <= there.joint:
            raise _order_error(
                f"{dialect.title} does {second} before {first}, and the settings ask for the other order; "
                f"say so with {how}"
            )
    if "top_p" in active and "drop" in {there.top_p_edge, params.top_p_edge} and there.top_p_edge != params.top_p_edge:
        raise _order_error(f"{dialect.title} treats the last token of top_p otherwise; say so with {how}")


def _order_error(message: str) -> ParameterError:
    return ParameterError(message, field="order")
