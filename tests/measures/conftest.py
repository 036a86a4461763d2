"""Completions made by hand, and samples with everything that any measure needs, made of toys."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tempering import Completion, SamplingParams
from tempering.measures.base import Samples
from tempering.measures.corpus import index_of
from tempering.measures.embeddings import Embedder
from tempering.measures.graders import make_grader
from tempering.measures.judge import Judge
from tempering.models.base import Answer, ModelInfo, Prefix, Served, TextInfo, TextRequest

VOCABULARY = 257


def make(text: str, prompt_id: str = "p", sample: int = 0, raw: tuple[float, ...] = (-1.0,), **more: Any) -> Completion:
    values: dict[str, Any] = {
        "prompt": "a prompt",
        "text": text,
        "tokens": tuple(index % 256 for index in range(len(raw))),
        "raw_logprobs": raw,
        "processed_logprobs": raw,
        "entropies": tuple(-value for value in raw),
        "finish_reason": "stop",
        "params": SamplingParams(),
        "prompt_id": prompt_id,
        "sample": sample,
        "model": "none",
    }
    return Completion(**values | more)


class Bytes:
    """A model whose tokens are bytes and whose logits depend on the last one only."""

    info = ModelInfo("bytes", "bytes@0", VOCABULARY, 4096, (256,), {})
    table = np.random.default_rng(0).normal(0, 3, (VOCABULARY, VOCABULARY)).astype(np.float32)

    def encode(self, text: str) -> list[int]:
        return list(text.encode(errors="replace"))

    def decode(self, tokens: Sequence[int]) -> str:
        return bytes(token for token in tokens if token < 256).decode(errors="replace")

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        return Prefix(tuple(tokens), self.table[tokens[-1]], None)

    def score(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        return np.asarray(self.table[list(tokens)])

    def batch(self, size: int) -> Any:
        raise NotImplementedError


class Rater:
    """A text model that answers every question with a number that depends on the question."""

    info = TextInfo("rater", "rater@0", {})

    def __init__(self, answer: Callable[[str], str] | None = None) -> None:
        self.asked: list[TextRequest] = []
        self.answer = answer or (lambda prompt: str(1 + hashlib.sha256(prompt.encode()).digest()[0] % 5))

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        for index, request in enumerate(requests):
            self.asked.append(request)
            prompt = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].content
            served = Served()
            yield index, Answer(self.answer(prompt), "stop", served)


def letters(texts: Sequence[str]) -> NDArray[np.float64]:
    """Embed a text as its counts of letters, and a bit of everything so that none is 0."""
    return np.array([[text.lower().count(sign) + 0.01 for sign in "abcdefghijklmnopqrstuvwxyz ."] for text in texts])


def full(completions: Sequence[Completion], exemplars: dict[str, str]) -> Samples:
    return Samples(
        tuple(completions),
        exemplars,
        {"p0": ("fox", "boat"), "p1": ("sea",)},
        make_grader("contains"),
        index_of(["the old fox went home by the sea", "she sang. the boat was red"], "toy"),
        Bytes(),
        ("the fox ran to the sea", "an old boat"),
        Embedder("letters", letters),
        Judge(Rater()),
    )


@pytest.fixture
def completion() -> Callable[..., Completion]:
    return make


@pytest.fixture(scope="session")
def everything() -> Callable[[Sequence[Completion], dict[str, str]], Samples]:
    return full


@pytest.fixture
def rater() -> type[Rater]:
    return Rater


@pytest.fixture
def toy_model() -> Bytes:
    return Bytes()
