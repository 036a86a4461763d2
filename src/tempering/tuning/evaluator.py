"""What a search asks and is told. Knows numbers only: a model, a file or a formula may answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tempering.tuning.space import Setting


@dataclass(frozen=True)
class Ask:
    """One value of every measure is wanted.

    Attributes:
        setting: the candidate.
        prompt: index of the prompt.
        group: which texts of that prompt; the same group has the same noise at every setting.
    """

    setting: Setting
    prompt: int
    group: int


@dataclass(frozen=True)
class Told:
    """The answer to an ``Ask``.

    Attributes:
        ask: the question.
        values: a number a measure, mean over the group's texts; NaN where it is undefined.
        samples: texts that it cost.
        tokens: tokens that it cost.
        error: what went wrong with a text, if something did; its values are NaN.
    """

    ask: Ask
    values: Mapping[str, float] = field(default_factory=dict)
    samples: int = 1
    tokens: int = 0
    error: str = ""


class Evaluator(Protocol):
    """Answers what a search asks; the same question always gets the same answer."""

    @property
    def prompts(self) -> Sequence[int]:
        """Indices of the prompts to search with."""

    @property
    def held_out(self) -> Sequence[int]:
        """Indices of the prompts kept for the confirmation; may be empty."""

    @property
    def cost(self) -> int:
        """Texts of one group."""

    def repeats(self, setting: Setting) -> bool:
        """Whether all groups of a prompt are the same text there, as at T=0: only group 0 is asked for."""

    def evaluate(self, asks: Sequence[Ask]) -> list[Told]:
        """Answer every question, in order."""
