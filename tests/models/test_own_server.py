"""``tempering serve`` through the HTTP backend: every setting there is, and the same text as without a server."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tempering import Request, SamplingParams, generate
from tempering.models.onnx import OnnxModel
from tempering.models.openai import OpenAIModel
from tempering.testing import check_text_model

PROMPT = "Once upon a time, there was a little girl who"


@pytest.fixture(scope="module")
def served() -> Iterator[OpenAIModel]:
    command = [sys.executable, "-m", "tempering", "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    url = json.loads(process.stdout.readline())["url"]
    yield OpenAIModel(f"{url}?logprobs=2")
    process.kill()
    process.communicate()


def test_it_is_recognised(served: OpenAIModel) -> None:
    assert (served.kind, served.model) == ("tempering", "embedded")
    check_text_model(served)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.0},
        {"temperature": 0.9, "top_p": 0.9, "min_p": 0.02, "order": "llama.cpp"},
        {"temperature": 1.3, "typical_p": 0.9, "repetition_penalty": 1.2},
        {"temperature": math.inf, "top_k": 5, "order": ("top_k", "temperature")},
        {"temperature": 1.0, "eta": 0.01, "epsilon": 0.001, "xtc_probability": 0.5},
    ],
)
def test_the_text_is_that_of_the_same_seed_without_a_server(
    served: OpenAIModel, model: OnnxModel, settings: dict[str, Any]
) -> None:
    [there] = generate(served, [Request(PROMPT, SamplingParams(**settings), max_tokens=12)])
    assert there.served
    assert there.raw_logprobs
    assert there.token_count == 12 or there.finish_reason == "stop"
    [again] = generate(served, [Request(PROMPT, SamplingParams(**settings), max_tokens=12)])
    assert again.text == there.text
    if settings["temperature"] == 0:
        [here] = generate(model, [Request(PROMPT, SamplingParams(**settings), max_tokens=12)])
        assert here.text == there.text
        assert there.raw_logprobs == pytest.approx(here.raw_logprobs, abs=1e-3)
