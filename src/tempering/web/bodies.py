"""What a client of the endpoint sends: the fields of OpenAI's API, and those of ``SamplingParams`` beside them.

A field that would change the text and is not supported here is refused, and so is an unknown one, as a mistyped setting
that is silently ignored falsifies results. Fields of OpenAI's API that do not act on the text are accepted.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr, ValidationError

from tempering.errors import ParameterError
from tempering.generation.request import Request
from tempering.models.base import Message, PromptText
from tempering.models.chat import render_chat
from tempering.params import SamplingParams
from tempering.web.limits import Limits
from tempering.web.refusals import Refusal

HARMLESS = frozenset(
    {
        "user",
        "metadata",
        "store",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "parallel_tool_calls",
        "tool_choice",
        "verbosity",
        "request_id",
        "priority",
        "cache_prompt",
        "id_slot",
    }
)
"""Fields of OpenAI's API, of vLLM and of llama.cpp that do not act on the text here: accepted and ignored."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "best_of": (None, 1),
    "echo": (None, False),
    "suffix": (None, ""),
    "logit_bias": (None, {}),
    "tools": (None, []),
    "functions": (None, []),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "reasoning_effort": (None,),
    "audio": (None,),
    "prediction": (None,),
    "min_tokens": (None, 0),
    "ignore_eos": (None, False),
    "stop_token_ids": (None, []),
    "include_stop_str_in_output": (None, False),
    "skip_special_tokens": (None, True),
    "add_special_tokens": (None, True),
    "use_beam_search": (None, False),
    "length_penalty": (None, 1, 1.0),
    "mirostat": (None, 0),
    "grammar": (None, ""),
}
"""Fields that are not supported, with the values at which they do nothing."""

SAMPLING = tuple(item.name for item in fields(SamplingParams) if item.name != "seed")
Body = TypeVar("Body", bound=BaseModel)
ALIASES = {"repeat_penalty": "repetition_penalty", "typical": "typical_p", "n_predict": "max_tokens"}
"""Names that llama.cpp's clients use, and ours."""


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: StrictBool = False


class _Common(BaseModel):
    """Fields of both routes that are not sampling settings."""

    model_config = ConfigDict(extra="forbid")
    model: StrictStr | None = None
    n: StrictInt | None = None
    seed: StrictInt | None = None
    stop: StrictStr | list[StrictStr] | None = None
    stream: StrictBool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: StrictInt | None = None


class _Completion(_Common):
    prompt: StrictStr | list[StrictStr]
    logprobs: StrictInt | None = None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: StrictStr
    text: StrictStr = ""


class _Turn(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: StrictStr
    content: StrictStr | list[_Part] | None = None


class _Chat(_Common):
    messages: list[_Turn]
    max_completion_tokens: StrictInt | None = None
    logprobs: StrictBool | None = None
    top_logprobs: StrictInt | None = None


@dataclass(frozen=True)
class Asked:
    """What one HTTP request asks for.

    Attributes:
        requests: the texts to write, choice by choice.
        params: their settings, with the seed.
        stops: strings that end a text.
        stream: answer piece by piece.
        include_usage: end a stream with the token counts.
        logprobs: how many alternatives a token are to be told; None: no logprobs at all.
    """

    requests: tuple[Request, ...]
    params: SamplingParams
    stops: tuple[str, ...]
    stream: bool
    include_usage: bool
    logprobs: int | None


@dataclass(frozen=True)
class Serving:
    """What a server offers.

    Attributes:
        names: that a request may call the model by.
        order: of the steps where a request names none.
        limits: of a request.
        chat_template: a Jinja template for conversations; None leaves it to the model.
    """

    names: tuple[str, ...]
    order: str
    limits: Limits
    chat_template: str | None = None


def completion_asked(raw: Any, serving: Serving) -> Asked:
    """Return what a body of ``/v1/completions`` asks for.

    Raises:
        Refusal: it is not valid, or asks for more than the limits.
        TemperingError: a setting or the prompt is not valid.
    """
    rest, sampling = _divided(raw)
    body = parsed(_Completion, rest)
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    if not prompts:
        raise Refusal(400, "prompt is empty", param="prompt", code="invalid_value")
    max_tokens = 16 if body.max_tokens is None else body.max_tokens
    return _asked(body, sampling, serving, list(prompts), max_tokens, body.logprobs)


def chat_asked(raw: Any, serving: Serving) -> Asked:
    """Return what a body of ``/v1/chat/completions`` asks for; otherwise as ``completion_asked``."""
    rest, sampling = _divided(raw)
    body = parsed(_Chat, rest)
    if not body.messages:
        raise Refusal(400, "messages is empty", param="messages", code="invalid_value")
    messages = tuple(Message(_role(turn.role), _content(turn)) for turn in body.messages)
    prompt: PromptText = messages
    if serving.chat_template is not None:
        prompt = render_chat(serving.chat_template, messages, name=serving.names[0])
    if body.top_logprobs is not None and not body.logprobs:
        raise Refusal(400, "top_logprobs needs logprobs to be true", param="top_logprobs", code="invalid_value")
    limit = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    logprobs = (body.top_logprobs or 0) if body.logprobs else None
    return _asked(body, sampling, serving, [prompt], serving.limits.max_tokens if limit is None else limit, logprobs)


def _divided(raw: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the routes and the sampling fields; what acts and is not supported is refused."""
    if not isinstance(raw, dict):
        raise Refusal(400, "the body must be a JSON object", code="invalid_json")
    rest, sampling = dict[str, Any](), dict[str, Any]()
    for given, value in raw.items():
        name = ALIASES.get(str(given), str(given))
        if name in NEUTRAL:
            if value not in NEUTRAL[name]:
                raise Refusal(400, f"{name} is not supported by this server", param=name, code="unsupported_parameter")
        elif name in SAMPLING:
            if value is not None:
                sampling[name] = _sampling_value(name, value)
        elif name not in HARMLESS:
            rest[name] = value
    return rest, sampling


def _sampling_value(name: str, value: Any) -> Any:
    if name in {"order", "ties"}:
        return tuple(value) if isinstance(value, list) else value
    if isinstance(value, str) and value != "inf":  # JSON has no infinity: the one text that stands for a number
        raise ParameterError(f"{name} must be a number, got {value!r}", field=name)
    return 0 if name == "top_k" and value == -1 else value  # vLLM's way to say "off"


def parsed(kind: type[Body], rest: Any) -> Body:
    """Return a body as its type.

    Raises:
        Refusal: a field is missing, unknown, or of another type.
    """
    try:
        return kind.model_validate(rest)
    except ValidationError as problem:
        first = problem.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise Refusal(400, f"unknown field {field!r}", param=field, code="unknown_parameter") from None
        if first["type"] == "missing":
            raise Refusal(400, f"{field} is missing", param=field, code="missing_required_parameter") from None
        where = ".".join(map(str, first["loc"]))
        raise Refusal(400, f"{where}: {first['msg']}", param=field, code="invalid_type") from None


def _asked(  # noqa: PLR0917 - the parts of a body, for two callers
    body: _Common,
    sampling: dict[str, Any],
    serving: Serving,
    prompts: list[PromptText],
    max_tokens: int,
    logprobs: int | None,
) -> Asked:
    limits, n = serving.limits, 1 if body.n is None else body.n
    if body.model is not None and body.model not in serving.names:
        known = ", ".join(serving.names)
        raise Refusal(
            404, f"there is no model {body.model!r} here; there is: {known}", param="model", code="model_not_found"
        )
    stops = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    length = max(len(p) if isinstance(p, str) else sum(len(m.content) for m in p) for p in prompts)
    _within("n", n * len(prompts), 1, limits.n)
    _within("max_tokens", max_tokens, 1, limits.max_tokens)
    _within("prompt", length, 0, limits.prompt)
    _within("stop", len(stops), 0, limits.stops)
    _within("logprobs", logprobs or 0, 0, 20)
    if not all(stops):
        raise Refusal(400, "a stop string is empty", param="stop", code="invalid_value")
    # A seed of OpenAI's API is a signed 64-bit number; ours is the same number modulo 2**64.
    seed = secrets.randbits(63) if body.seed is None else body.seed % 2**64
    params = SamplingParams(**{"order": serving.order} | sampling, seed=seed)
    requests = [Request(prompt, params, i, max_tokens=max_tokens) for prompt in prompts for i in range(n)]
    usage = bool(body.stream_options and body.stream_options.include_usage)
    return Asked(tuple(requests), params, stops, bool(body.stream), usage, logprobs)


def _within(name: str, value: float, low: float, high: float) -> None:
    if value < low or not math.isfinite(value):
        raise Refusal(400, f"{name} must be at least {low:g}, got {value}", param=name, code="invalid_value")
    if value > high:
        message = f"{name} is {value:g}, the limit of this server is {high:g}"
        raise Refusal(422, message, param=name, code="limit_exceeded")


def _role(role: str) -> Any:
    return "system" if role == "developer" else role  # what OpenAI calls the system's message of newer models


def _content(turn: _Turn) -> str:
    if isinstance(turn.content, list):
        if other := [part.type for part in turn.content if part.type != "text"]:
            raise Refusal(
                400, f"content of type {other[0]!r} is not supported", param="messages", code="unsupported_content"
            )
        return "".join(part.text for part in turn.content)
    return turn.content or ""
