"""The completion: one generated text with its tokens and logprobs. Knows nothing of how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from sys import intern
from typing import Any

from tempering.models.base import FinishReason, Message, PromptText, Served
from tempering.params import SamplingParams


@dataclass(frozen=True)
class Completion:
    """One generated text.

    Attributes:
        prompt: the text that was continued, or the conversation that was answered.
        text: what the model added, without the prompt.
        tokens: the ids drawn, the end-of-text token (if any) left out; empty where a server wrote the text.
        raw_logprobs: log-probability of each token under the untouched logits at T=1, in nats; None where it is not
            known.
        processed_logprobs: log-probability of each token under ``params``, in nats; None where it is not known.
        entropies: entropy in nats of the distribution under ``params`` at each step; None where it is not known.
        finish_reason: ``"stop"`` (the model ended the text) or ``"length"`` (the token limit did).
        params: the settings of the draw, with the order and the seed.
        prompt_id: what the noise of this prompt is keyed by.
        sample: the index of this completion among those of its cell.
        model: the identity of the model.
        served: what a server said besides; None where the model ran here.
    """

    prompt: PromptText
    text: str
    tokens: tuple[int, ...]
    raw_logprobs: tuple[float, ...] | None
    processed_logprobs: tuple[float, ...] | None
    entropies: tuple[float, ...] | None
    finish_reason: FinishReason
    params: SamplingParams
    prompt_id: str
    sample: int
    model: str
    served: Served | None = None

    @property
    def token_count(self) -> int | None:
        """How many tokens the text has; None where a server does not say."""
        return len(self.tokens) if self.served is None else self.served.completion_tokens

    def as_dict(self) -> dict[str, Any]:
        """Return the completion as JSON-ready values; ``served`` is left out where it is None."""
        values = asdict(self) | {"params": self.params.as_dict()}
        if self.served is None:
            del values["served"]
        return values

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Completion:
        """Rebuild a completion from ``as_dict``."""
        values = dict(record)
        for name in ("tokens", "raw_logprobs", "processed_logprobs", "entropies"):
            values[name] = None if values[name] is None else tuple(values[name])
        if values.get("served") is not None:
            values["served"] = _served(values["served"])
        if not isinstance(values["prompt"], str):
            values["prompt"] = tuple(Message(**message) for message in values["prompt"])
        for name in ("prompt", "prompt_id", "model"):  # what many completions share is held once
            values[name] = intern(values[name]) if isinstance(values[name], str) else values[name]
        return cls(**values | {"params": _params_of(json.dumps(values["params"]))})


@lru_cache(maxsize=1024)
def _params_of(record: str) -> SamplingParams:
    return SamplingParams(**json.loads(record))


def _served(record: Mapping[str, Any]) -> Served:
    values = dict(record)
    for name in ("tokens", "logprobs"):
        values[name] = None if values[name] is None else tuple(values[name])
    if values["top"] is not None:
        values["top"] = tuple(tuple((str(text), float(value)) for text, value in row) for row in values["top"])
    return Served(**values)
