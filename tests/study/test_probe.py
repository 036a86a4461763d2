"""The probe: servers that do as they are told, and servers that do not, each found out with the words that fit."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tempering
from tempering import SamplingParams
from tempering.errors import ChatTemplateError, ServerError
from tempering.models.address import Address
from tempering.models.answers import Piece
from tempering.models.base import Message, TextInfo, conversation
from tempering.models.dialects import DIALECTS
from tempering.models.onnx import OnnxBatch, OnnxModel
from tempering.models.openai import OpenAIModel
from tempering.study.findings import fewer_kinds
from tempering.study.probe import probe_logits, probe_model
from tempering.study.server_probe import fingerprint_of, probe_server

LOGITS = 1.2 * np.log(1 / np.arange(1, 301)) + np.sin(np.arange(300))
RANKED = np.argsort(-LOGITS)


class Sampler(OpenAIModel):
    """A server of vLLM's kind in process: it draws words from one distribution, with faults as asked for."""

    def __init__(self, **faults: Any) -> None:
        self.faults, self.calls, self.lock = faults, itertools.count(), threading.Lock()
        self.address = Address.of("http://sampler/v1#m")
        self.dialect, self.kind, self.model = DIALECTS["vllm"], "vllm", "m"
        self.concurrency, self.group, self.logprobs = 4, 1, None
        self.listed: dict[str, Any] = {}
        self.info = TextInfo("http://sampler/v1#m", "http://sampler/v1#m", {})

    def ask(self, prompt_body: dict[str, Any], *, tokens: int) -> tuple[list[Piece], Any]:
        body = self.faults.get("defaults", {}) | prompt_body
        assert body["max_tokens"] <= tokens
        if body.get("temperature", 1.0) in self.faults.get("refuses", ()):
            raise ServerError("m: answers 400: temperature is fixed", status=400)
        if self.faults.get("refuses_min_p") and body.get("min_p"):
            raise ServerError("m: answers 422: min_p: unknown field", status=422)
        settings = {name: body[name] for name in ("temperature", "top_k", "top_p", "min_p") if name in body}
        settings |= self.faults.get("overrides", {})
        settings["top_k"] = max(settings.get("top_k", 0), 0)
        with self.lock:
            call = next(self.calls)
        seed = call if self.faults.get("no_seed") else body["seed"]
        params = SamplingParams(**settings, order="vllm", seed=seed)
        drawn = [int(tempering.draw(LOGITS, params, step=step)) for step in range(body["max_tokens"])]
        if self.faults.get("flickers") and params.temperature == 0 and call % 3 == 0:
            drawn[1:] = [int(RANKED[1])] * (len(drawn) - 1)
        piece = Piece("".join(f" w{token}" for token in drawn), "length")
        if "logprobs" in body or "top_logprobs" in body:
            if "logprobs" in self.faults.get("lacks", ()):
                raise ServerError("m: answers 400: no logprobs", status=400)
            scores = LOGITS if not self.faults.get("processed") else LOGITS / max(params.temperature, 1e-9)
            values = scores - np.logaddexp.reduce(scores)
            count = min(body.get("top_logprobs", body["logprobs"]), 20)
            piece.tokens, piece.logprobs = [f" w{drawn[0]}"], [float(values[drawn[0]])]
            piece.top = [tuple((f" w{token}", float(values[token])) for token in RANKED[:count])]
        return [piece], {}


def test_a_server_that_does_as_told() -> None:
    found = probe_server(Sampler())
    answers = {finding.key: finding.verdict for finding in found.findings}
    assert answers == {
        "temperature_refused": "no",
        "temperature_acts": "yes",
        "greedy_repeatable": "yes",
        "seed_holds": "yes",
        "logprobs": "yes",
        "top_k_honoured": "yes",
        "top_p_honoured": "yes",
        "min_p_honoured": "yes",
        "defaults_act": "no",
        "top_k_default": "no",
        "top_p_default": "no",
        "min_p_default": "no",
        "temperature_default": "no",
    }
    assert found.finding("logprobs").evidence["most"] == 20
    assert found.finding("greedy_repeatable").answer.startswith("yes, as far as seen: 8 of 8 texts agree (share [0.68,")
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["requests"] == found.requests < 300


@pytest.mark.parametrize(
    ("faults", "key", "verdict", "said"),
    [
        ({"overrides": {"temperature": 1.0}}, "temperature_acts", "no", "no effect seen: 8 different texts of 8"),
        ({"overrides": {"temperature": 0.0}}, "temperature_acts", "no", "no effect seen: 1 different texts of 8"),
        ({"flickers": True}, "greedy_repeatable", "no", "the first two to part do so after"),
        ({"refuses": (0.0,)}, "greedy_repeatable", "unknown", "T = 0 is refused"),
        ({"refuses": (5.0, 2.0)}, "temperature_refused", "yes", "yes: 2, 5 (the server's words: m: answers 400"),
        ({"refuses": (0.0, 0.5, 1.5, 2.0, 5.0)}, "temperature_acts", "no", "no effect seen"),
        ({"no_seed": True}, "seed_holds", "no", "0 of 4 pairs of one seed agree"),
        ({"no_seed": True}, "temperature_default", "unknown", "the seed does not hold"),
        ({"overrides": {"temperature": 0.0}}, "seed_holds", "unknown", "it changes nothing at T = 1"),
        ({"processed": True}, "logprobs", "no", "processed: at T = 2 their differences are 1/2"),
        ({"lacks": ("logprobs",)}, "logprobs", "unknown", "it gives none"),
        ({"overrides": {"min_p": 0.0}}, "min_p_honoured", "no", "accepted and ignored: 12 different tokens of 12"),
        ({"refuses_min_p": True}, "min_p_honoured", "no", "refused: m: answers 422: min_p"),
        ({"defaults": {"min_p": 0.1}}, "min_p_default", "yes", "where left out"),
        ({"defaults": {"min_p": 0.3}, "no_seed": True}, "min_p_default", "yes", "(p = "),
        ({"defaults": {"min_p": 0.1}}, "top_k_default", "no", "none seen"),
        ({"defaults": {"min_p": 0.1}}, "defaults_act", "yes", "where left out"),
        ({"defaults": {"top_k": 3}}, "top_k_default", "yes", "3 different tokens of 24 where left out"),
        ({"defaults": {"temperature": 0.7}}, "temperature_default", "yes", "yes: 0 of 8 texts"),
    ],
)
def test_a_server_that_does_not(faults: dict[str, Any], key: str, verdict: str, said: str) -> None:
    finding = probe_server(Sampler(**faults)).finding(key)
    assert (finding.verdict, said in finding.answer) == (verdict, True), finding


def test_a_server_that_refuses_everything_is_an_error() -> None:
    with pytest.raises(ServerError, match="every request is refused: m: answers 400: temperature is fixed"):
        probe_server(Sampler(refuses=(0.0, 0.5, 1.0, 1.5, 2.0, 5.0)))


def test_a_chat_is_probed_as_a_chat() -> None:
    found = probe_model(Sampler(), prompt=conversation("Write a story."), repeats=4, draws=8, max_tokens=6)
    assert found.finding("logprobs").verdict == "yes"
    assert found.finding("greedy_repeatable").evidence["n"] == 4


def test_equal_groups_are_rarely_told_apart() -> None:
    """The error rate of the test: at most 5 of 100 comparisons of equal groups fall below .01 (expected 1 or less)."""
    random = np.random.default_rng(3)
    p = np.exp(LOGITS) / np.exp(LOGITS).sum()
    below = 0
    for _ in range(100):
        words = [f"w{token}" for token in random.choice(300, 32, p=p)]
        below += fewer_kinds(words[:16], words[16:]) < 0.01
    assert below <= 5


def test_the_embedded_model_is_exact(model: OnnxModel) -> None:
    found = probe_logits(model, repeats=6, max_tokens=12)
    answers = {finding.key: finding.verdict for finding in found.findings if finding.key != "batching_pays"}
    assert answers == {
        "temperature_acts": "yes",
        "greedy_repeatable": "yes",
        "seed_holds": "yes",
        "noise_floor": found.finding("noise_floor").verdict,
        "vocabulary": "yes",
        "chat": "no",
        "context": "yes",
    }
    assert found.finding("seed_holds").evidence["equal"] == 6
    assert "all 4096 logits" in found.finding("temperature_acts").answer
    floor = found.finding("noise_floor").evidence
    assert floor["steps"] == 12
    assert floor["largest"] < 1e-3 < floor["closest"]
    assert found.finding("vocabulary").evidence["logits"] == model.info.vocabulary
    assert found.finding("context").evidence["context"] == model.info.context
    assert set(found.finding("batching_pays").evidence["rates"]) == {"1", "16"}


class Odd(OnnxModel):
    """A model that moves in a batch, ends texts with ids that it has not, and takes no system's message."""

    def __init__(self, model: OnnxModel) -> None:
        self.__dict__ |= model.__dict__
        self.info = replace(model.info, end_tokens=(0, 5000))

    def batch(self, size: int) -> OnnxBatch:
        batch, step = super().batch(size), OnnxBatch.step
        batch.step = lambda tokens: step(batch, tokens) + (0.25 if size > 1 else 0)  # type: ignore[method-assign]
        return batch

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        if len(messages) > 1:
            raise ChatTemplateError("no system messages")
        return self.encode(messages[0].content)


def test_what_is_odd_about_a_model_is_said(model: OnnxModel) -> None:
    found = probe_logits(Odd(model), repeats=2, max_tokens=4)
    floor, vocabulary, chat = (found.finding(key) for key in ("noise_floor", "vocabulary", "chat"))
    assert (floor.verdict, vocabulary.verdict, chat.verdict) == ("no", "no", "yes")
    assert floor.evidence["largest"] == pytest.approx(0.25, abs=1e-3)
    assert "4096 logits, 2 ids end a text, of which it has 1" in vocabulary.answer
    assert chat.answer == "yes: its template takes a user's message; no system messages"


def test_a_fingerprint_tells_weights_apart() -> None:
    first, again, other = Sampler(), Sampler(), Sampler(overrides={"top_k": 1, "min_p": 0.0, "temperature": 9.0})
    other.listed = {"root": "other"}
    before = fingerprint_of(first)
    assert before == fingerprint_of(again)
    assert set(before) == {"greedy"}
    assert fingerprint_of(other) | before == {"listed": '{"root": "other"}'} | before
    assert "greedy" not in fingerprint_of(Sampler(flickers=True))
    assert fingerprint_of(Sampler(refuses=(0.0,))) == {}
