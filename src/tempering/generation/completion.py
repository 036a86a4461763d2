"""The completion: one generated text with its tokens and logprobs. Knows nothing of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tempering.models.base import Message, PromptText
from tempering.params import SamplingParams

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Completion:
    """One generated text.

    Attributes:
        prompt: the text that was continued, or the conversation that was answered.
        text: what the model added, without the prompt.
        tokens: the ids drawn, the end-of-text token (if any) left out.
        raw_logprobs: log-probability of each token under the untouched logits at T=1, in nats.
        processed_logprobs: log-probability of each token under ``params``, in nats.
        entropies: entropy in nats of the distribution under ``params`` at each step.
        finish_reason: ``"stop"`` (the model ended the text) or ``"length"`` (the token limit did).
        params: the settings of the draw, with the order and the seed.
        prompt_id: what the noise of this prompt is keyed by.
        sample: the index of this completion among those of its cell.
        model: the identity of the model.
    """

    prompt: PromptText
    text: str
    tokens: tuple[int, ...]
    raw_logprobs: tuple[float, ...]
    processed_logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    finish_reason: FinishReason
    params: SamplingParams
    prompt_id: str
    sample: int
    model: str

    def as_dict(self) -> dict[str, Any]:
        """Return the completion as JSON-ready values."""
        return asdict(self) | {"params": self.params.as_dict()}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Completion:
        """Rebuild a completion from ``as_dict``."""
        values = dict(record)
        for name in ("tokens", "raw_logprobs", "processed_logprobs", "entropies"):
            values[name] = tuple(values[name])
        if not isinstance(values["prompt"], str):
            values["prompt"] = tuple(Message(**message) for message in values["prompt"])
        return cls(**values | {"params": SamplingParams(**values["params"])})
