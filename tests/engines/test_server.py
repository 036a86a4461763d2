"""A real llama.cpp server on loopback: the same weights behind HTTP, found out by the probe, studied, killed."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tempering import Request, SamplingParams, generate, load_model
from tempering.errors import ParameterError, PromptError, ServerError
from tempering.models.base import conversation
from tempering.models.onnx import OnnxModel
from tempering.models.openai import OpenAIModel
from tempering.study.analysis import load_results
from tempering.study.probe import probe_model
from tempering.study.store import read_completions
from tempering.testing import check_text_model

pytestmark = [pytest.mark.engine("llama_cpp"), pytest.mark.filterwarnings("ignore")]

PROMPT = "Once upon a time, there was a little girl who"
TOLERANCE = 0.02
"""How far logprobs may lie apart: llama.cpp multiplies float16 weights with activations rounded to float16."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class LlamaServer:
    """``python -m llama_cpp.server`` on a free port of loopback."""

    def __init__(self, gguf: Path, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/v1"
        settings = {"model": gguf, "model_alias": "stories", "port": port, "host": "127.0.0.1", "n_ctx": 512}
        settings |= {"logits_all": "true", "n_threads": 1, "verbose": "false"}
        arguments = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "llama_cpp.server", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                httpx.get(f"{self.base}/models", timeout=2).raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        self.stop()
        raise AssertionError("the server of llama-cpp-python does not start")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def server(gguf: Path) -> Iterator[LlamaServer]:
    running = LlamaServer(gguf, _free_port())
    yield running
    running.stop()


def _model(server: LlamaServer, options: str = "") -> OpenAIModel:
    return OpenAIModel(f"{server.base}?{options}#stories")


def test_its_kind_is_recognised(server: LlamaServer) -> None:
    model = _model(server)
    assert model.kind == "llama-cpp-python"
    assert model.concurrency == 1
    assert OpenAIModel(server.base).model == "stories"
    check_text_model(model)


def test_the_text_at_zero_is_that_of_the_weights(server: LlamaServer, model: OnnxModel) -> None:
    prompts = (PROMPT, "The dog", "It was a dark night and")
    requests = [Request(prompt, SamplingParams(temperature=0), max_tokens=40) for prompt in prompts]
    there = {c.prompt: (c.text, c.finish_reason) for c in generate(_model(server), requests)}
    here = {c.prompt: (c.text, c.finish_reason) for c in generate(model, requests)}
    assert there == here


def test_its_logprobs_are_the_models_own(server: LlamaServer, model: OnnxModel) -> None:
    """Raw ones, as labelled: at T = 0.5 they are still those of T = 1."""
    requests = [Request(PROMPT, SamplingParams(temperature=0.5), s, max_tokens=15) for s in range(3)]
    for done in generate(_model(server, "logprobs=5"), requests):
        assert done.raw_logprobs
        assert done.processed_logprobs is done.entropies is None
        assert done.served
        assert done.served.top
        assert {len(top) for top in done.served.top} <= {5, 6}
        prompt = model.encode(PROMPT)
        logits = model.score([*prompt, *model.encode(done.text)[1:]]).astype(np.float64)[len(prompt) - 1 :]
        own = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        best = [top[0][1] for top in done.served.top]
        assert np.allclose(best, own.max(axis=1)[: len(best)], atol=TOLERANCE)


def test_the_seed_makes_the_text(server: LlamaServer) -> None:
    requests = [Request(PROMPT, SamplingParams(temperature=1.2, seed=3), s, max_tokens=20) for s in range(4)]
    first, second = ({c.sample: c.text for c in generate(_model(server), requests)} for _ in range(2))
    assert first == second
    assert len(set(first.values())) == 4


def test_its_order_is_said_or_refused(server: LlamaServer) -> None:
    settings = {"temperature": 0.7, "min_p": 0.1}
    with pytest.raises(ParameterError, match=r"does min_p before temperature.*--order llama\.cpp"):
        list(generate(_model(server), [Request(PROMPT, SamplingParams(**settings))]))  # type: ignore[arg-type]
    named = SamplingParams(**settings, order="llama.cpp")  # type: ignore[arg-type]
    assert next(generate(_model(server), [Request(PROMPT, named, max_tokens=5)])).text


def test_streams_and_messages(server: LlamaServer, chat_template: str) -> None:
    told: list[str] = []
    params = SamplingParams(temperature=0)
    [streamed] = generate(_model(server), [Request(PROMPT, params, max_tokens=20)], on_text=lambda _, t: told.append(t))
    [whole] = generate(_model(server), [Request(PROMPT, params, max_tokens=20)])
    assert "".join(told) == streamed.text == whole.text
    assert len(told) > 10
    [answer] = generate(_model(server), [Request(conversation("Tell me a story."), params, max_tokens=12)])
    assert answer.prompt == conversation("Tell me a story.")
    assert answer.served
    assert answer.served.prompt_tokens


def test_n_that_is_ignored_is_made_up_for(server: LlamaServer) -> None:
    requests = [Request(PROMPT, SamplingParams(), s, max_tokens=8) for s in range(3)]
    assert len({c.text for c in generate(_model(server, "n=3"), requests)}) == 3


def test_what_does_not_fit_the_context_is_said(server: LlamaServer) -> None:
    with pytest.raises(PromptError, match=r"does not fit the context .*maximum context length is 512 tokens"):
        list(generate(_model(server), [Request("word " * 600)]))


def test_the_probe_finds_the_hidden_settings(server: LlamaServer) -> None:
    """llama.cpp's defaults act where nothing is sent, min_p = .05 among them; everything sent is honoured."""
    found = probe_model(_model(server), repeats=6, draws=16, max_tokens=12)
    verdicts = {finding.key: finding.verdict for finding in found.findings}
    assert verdicts == {
        "temperature_refused": "no",
        "temperature_acts": "yes",
        "greedy_repeatable": "yes",
        "seed_holds": "yes",
        "logprobs": "yes",
        "top_k_honoured": "yes",
        "top_p_honoured": "yes",
        "min_p_honoured": "yes",
        "defaults_act": "yes",
        "top_k_default": "yes",
        "top_p_default": "yes",
        "min_p_default": "yes",
        "temperature_default": "yes",
    }
    assert found.finding("logprobs").evidence["kind"] == "raw"


def test_a_study_of_it_survives_its_end(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is killed in the middle; the study ends in one line, and goes on when the server is back."""
    folder, port = tmp_path / "run", _free_port()
    running = LlamaServer(gguf, port)
    address = f"{running.base}?retries=1#stories"
    options = ["-T", "0,1", "-n", "30", "--max-tokens", "12", "--prompt", PROMPT, "--out", str(folder), "--quiet"]
    command = [sys.executable, "-m", "tempering", "study", "--model", address, *options]
    study = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while study.poll() is None and len(read_completions(folder)) < 5:
        time.sleep(0.02)
    running.stop()
    _, said = study.communicate(timeout=120)
    kept = len(read_completions(folder))
    assert study.returncode == 3, said
    assert "error: " in said
    assert 5 <= kept < 60
    running = LlamaServer(gguf, port)
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        running.stop()
    results = load_results(folder)
    assert len(results.completions) == 60
    assert len({c.text for c in results.completions if c.params.temperature == 0}) == 1
    assert results.next_token is None
    assert results.manifest.probe
    assert {finding["key"] for finding in results.manifest.probe["findings"]} >= {"min_p_default", "greedy_repeatable"}
    assert json.loads((folder / "run.json").read_text())["manifest"]["model"].endswith("#stories")


def test_a_dead_server_is_said(gguf: Path) -> None:
    with pytest.raises(ServerError, match="is the server running"):
        load_model(f"http://127.0.0.1:{_free_port()}/v1")


def test_an_infinite_temperature_is_refused(server: LlamaServer) -> None:
    with pytest.raises(ParameterError, match="takes no infinite temperature"):
        list(generate(_model(server), [Request(PROMPT, SamplingParams(temperature=math.inf))]))
