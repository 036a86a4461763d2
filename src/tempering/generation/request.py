"""The request: one text to generate. Knows nothing of how it is made."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from tempering.errors import ParameterError, PromptError
from tempering.models.base import PromptText, shown_prompt
from tempering.params import SamplingParams


@dataclass(frozen=True)
class Request:
    """One text to generate.

    Attributes:
        prompt: the text to continue, or the messages to answer.
        params: the settings of the draw, with the seed.
        sample: the index among the texts of the same prompt and settings, >= 0; part of the noise's key.
        prompt_id: what the noise of the prompt is keyed by; the prompt itself unless given.
        max_tokens: the longest it may become, >= 1.
        begin: ids that the text begins with, taken instead of drawn; what follows is drawn with the noise of its own
            step, so a text that begins with its own tokens goes on as it did.
    """

    prompt: PromptText
    params: SamplingParams = field(default_factory=SamplingParams)
    sample: int = 0
    prompt_id: str = ""
    max_tokens: int = 100
    begin: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt:
            raise PromptError("the prompt is empty")
        if self.max_tokens < 1:
            raise ParameterError(f"max_tokens must be at least 1, got {self.max_tokens}", field="max_tokens")
        if self.sample < 0:
            raise ParameterError(f"sample must be at least 0, got {self.sample}", field="sample")
        if not self.prompt_id:
            object.__setattr__(self, "prompt_id", shown_prompt(self.prompt))


def noise_of(request: Request) -> Hashable:
    """Return what texts have in common that are drawn from one prompt with the same noise."""
    return request.prompt, request.prompt_id, request.sample, request.params.seed, request.begin


def coupled(requests: Iterable[Request]) -> list[Request]:
    """Return requests in an order in which those stand together that share prompt and noise, by first appearance.

    Example:
        >>> asked = [Request("a", SamplingParams(temperature=t), s) for t in (0, 1) for s in (0, 1)]
        >>> [(r.params.temperature, r.sample) for r in coupled(asked)]
        [(0.0, 0), (1.0, 0), (0.0, 1), (1.0, 1)]
    """
    found: dict[Hashable, list[Request]] = {}
    for request in requests:
        found.setdefault(noise_of(request), []).append(request)
    return [request for group in found.values() for request in group]
