"""Prompts are read once, and kept as long as there is room for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tempering.errors import ModelError, PromptError
from tempering.generation.prompts import Prefixes, encoded_prompt, read_prompt
from tempering.models.base import Prefix
from tempering.models.onnx import OnnxModel


class Counting:
    """The embedded model, which counts the prompts that it reads."""

    def __init__(self, model: OnnxModel) -> None:
        self.model, self.read = model, 0
        self.info, self.encode = model.info, model.encode

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        self.read += 1
        return self.model.prefill(tokens)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def test_what_is_kept_is_bounded_by_its_bytes(model: OnnxModel) -> None:
    texts = [f"{first} two three" for first in ("One", "Two", "Six")]
    size = max(model.prefill(model.encode(text)).nbytes for text in texts)
    assert size > 4 * model.info.vocabulary, "logits and cache"
    counting = Counting(model)
    prefixes = Prefixes(counting, room=2 * size)
    first, *_ = [prefixes.of(text) for text in texts[:2]]
    assert prefixes.of(texts[0]) is first, "kept, and used last"
    prefixes.of(texts[2])
    assert list(prefixes.known) == [texts[0], texts[2]]
    assert prefixes.held == sum(prefix.nbytes for prefix in prefixes.known.values()) <= 2 * size
    assert prefixes.of(texts[0]) is first
    assert counting.read == 3


def test_the_newest_is_kept_whatever_its_size(model: OnnxModel) -> None:
    prefixes = Prefixes(model, room=0)
    assert prefixes.of("One") is prefixes.of("One")
    prefixes.of("Two")
    assert list(prefixes.known) == ["Two"]


def test_a_prompt_leaves_room_for_a_token(model: OnnxModel) -> None:
    assert encoded_prompt(model, "One") == model.encode("One")
    with pytest.raises(PromptError, match="empty"):
        encoded_prompt(model, "")
    with pytest.raises(PromptError, match="context of embedded holds 512"):
        encoded_prompt(model, "word " * 600)


def test_logits_that_are_not_those_of_the_vocabulary_are_refused(model: OnnxModel) -> None:
    other = object.__new__(OnnxModel)
    other.__dict__ |= model.__dict__
    other.info = replace(model.info, vocabulary=4000)
    with pytest.raises(ModelError, match="says that it has 4000 tokens, but gives 4096 logits"):
        read_prompt(other, "Once")
