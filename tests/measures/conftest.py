"""Completions made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tempering import Completion, SamplingParams


def make(text: str, prompt_id: str = "p", sample: int = 0, raw: tuple[float, ...] = (-1.0,)) -> Completion:
    return Completion(
        prompt="a prompt",
        text=text,
        tokens=tuple(range(len(raw))),
        raw_logprobs=raw,
        processed_logprobs=raw,
        entropies=tuple(-value for value in raw),
        finish_reason="stop",
        params=SamplingParams(),
        prompt_id=prompt_id,
        sample=sample,
        model="none",
    )


@pytest.fixture
def completion() -> Callable[..., Completion]:
    return make
