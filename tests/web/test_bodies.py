"""Bodies of the endpoint: what is asked for, what is refused, and with which status."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tempering.errors import ParameterError, PromptError
from tempering.models.base import Message
from tempering.params import SamplingParams
from tempering.web.bodies import NEUTRAL, Serving, chat_asked, completion_asked
from tempering.web.limits import Limits
from tempering.web.refusals import Refusal, refusal_of

SERVING = Serving(("embedded",), "vllm", Limits(n=4, max_tokens=50, prompt=100, stops=2))


def ask(**fields: Any) -> Any:
    return completion_asked({"prompt": "Once"} | fields, SERVING)


def test_the_defaults_are_those_of_the_field() -> None:
    asked = ask(seed=3)
    assert asked.params == SamplingParams(order="vllm", seed=3)
    assert [request.max_tokens for request in asked.requests] == [16]
    assert (asked.stops, asked.stream, asked.logprobs) == ((), False, None)


def test_every_sampling_field_arrives() -> None:
    given: dict[str, Any] = {
        "temperature": 0,
        "top_k": 5,
        "min_p": 0.1,
        "typical_p": 0.9,
        "repetition_penalty": 1.1,
        "order": "mlx-lm",
    }
    assert ask(**given, seed=0).params == SamplingParams(**given)
    assert ask(order=["top_k", "temperature"], seed=0).params.order == ("top_k", "temperature")


def test_names_and_values_of_other_servers() -> None:
    assert ask(repeat_penalty=1.2).params.repetition_penalty == 1.2
    assert ask(top_k=-1).params.top_k == 0
    assert ask(temperature="inf").params.temperature == math.inf
    assert ask(seed=-1).params.seed == 2**64 - 1
    assert ask(ties="all").params.ties == "all"
    assert ask(n_predict=7).requests[0].max_tokens == 7
    always_sent = {"ignore_eos": False, "skip_special_tokens": True, "min_tokens": 0, "cache_prompt": True}
    assert ask(**always_sent, seed=1) == ask(seed=1)
    with pytest.raises(ParameterError, match="ties must be id or all"):
        ask(ties="some")


def test_null_stands_for_what_is_not_given() -> None:
    names = ("temperature", "top_p", "n", "stop", "stream", "max_tokens", "logprobs", "model", "logit_bias", "user")
    assert replace(ask(**dict.fromkeys(names), seed=1)) == ask(seed=1)


def test_a_seed_that_is_not_given_is_drawn_anew() -> None:
    assert ask().params.seed != ask().params.seed


def test_choices_are_samples_and_prompts_are_in_order() -> None:
    asked = ask(prompt=["a", "b"], n=2)
    assert [(request.prompt, request.sample) for request in asked.requests] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"n": 5}, 422, "n"),
        ({"prompt": ["a", "b"], "n": 3}, 422, "n"),
        ({"max_tokens": 51}, 422, "max_tokens"),
        ({"prompt": "x" * 101}, 422, "prompt"),
        ({"stop": ["a", "b", "c"]}, 422, "stop"),
        ({"logprobs": 21}, 422, "logprobs"),
        ({"n": 0}, 400, "n"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"stop": ""}, 400, "stop"),
        ({"prompt": []}, 400, "prompt"),
        ({"prompt": [1, 2]}, 400, "prompt"),
        ({"prompt": None}, 400, "prompt"),
        ({"stream": "yes"}, 400, "stream"),
        ({"model": "gpt-4"}, 404, "model"),
        ({"temprature": 1}, 400, "temprature"),
        ({"echo": True}, 400, "echo"),
        ({"ignore_eos": True}, 400, "ignore_eos"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], status: int, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        ask(**fields)
    assert (refused.value.status, refused.value.param) == (status, param)


@pytest.mark.parametrize("value", ["0.7", True, [1], -0.1, math.nan])
def test_temperatures_that_are_none(value: object) -> None:
    with pytest.raises(ParameterError) as refused:
        ask(temperature=value)
    assert refusal_of(refused.value).as_dict()["error"]["param"] == "temperature"


@pytest.mark.parametrize("body", [None, [], "text", 3])
def test_a_body_is_an_object(body: object) -> None:
    with pytest.raises(Refusal, match="must be a JSON object"):
        completion_asked(body, SERVING)


def test_a_conversation() -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Why is "}, {"type": "text", "text": "it?"}]},
    ]
    asked = chat_asked({"messages": messages, "top_logprobs": 3, "logprobs": True}, SERVING)
    assert asked.requests[0].prompt == (Message("system", "Be brief."), Message("user", "Why is it?"))
    assert asked.requests[0].max_tokens == 50, "as long as the server allows"
    assert asked.logprobs == 3
    plain = replace(SERVING, chat_template="{% for m in messages %}{{ m.content }}|{% endfor %}")
    assert chat_asked({"messages": messages}, plain).requests[0].prompt == "Be brief.|Why is it?|"


def test_conversations_that_are_refused() -> None:
    user = {"role": "user", "content": "Hi"}
    with pytest.raises(PromptError, match="role"):
        chat_asked({"messages": [{"role": "tool", "content": "x"}]}, SERVING)
    with pytest.raises(Refusal, match="'image_url' is not supported"):
        chat_asked({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, SERVING)
    with pytest.raises(Refusal, match="top_logprobs needs logprobs"):
        chat_asked({"messages": [user], "top_logprobs": 3}, SERVING)
    with pytest.raises(Refusal, match="messages is empty"):
        chat_asked({"messages": []}, SERVING)
    with pytest.raises(Refusal, match="tools is not supported"):
        chat_asked({"messages": [user], "tools": [{"type": "function"}]}, SERVING)


def test_fields_that_are_not_supported_pass_where_they_do_nothing() -> None:
    assert ask(**{name: values[-1] for name, values in NEUTRAL.items()}, seed=1) == ask(seed=1)
