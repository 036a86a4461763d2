"""What a measure is: a number for each completion, with what is known of it. Knows nothing of temperature or files."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion

if TYPE_CHECKING:
    from tempering.measures.graders import Grader

Values = NDArray[np.float64]

NEEDS: Mapping[str, str] = {
    "exemplars": "the greedy text of each prompt",
    "logprobs": "the raw logprobs of the tokens drawn, which some servers do not give",
    "entropies": "the entropy of every step, which takes full logits",
    "expected": "prompts with expected answers, or a grader that needs none",
}
"""What a measure may need besides texts, by the names in ``Measure.needs``."""


@dataclass(frozen=True)
class Samples:
    """Completions that are looked at together, usually all of a study.

    Attributes:
        completions: the texts; measures that compare texts compare these.
        exemplars: for each prompt id, the text of its greedy completion.
        expected: for each prompt id, the answers that count as right.
        grader: tells how right a text is; None where nothing is to be graded.
    """

    completions: tuple[Completion, ...]
    exemplars: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grader: Grader | None = None

    @property
    def provides(self) -> frozenset[str]:
        """What is there of ``NEEDS``.

        Example:
            >>> sorted(Samples((), {"p": "Once upon a time"}).provides)
            ['exemplars']
        """
        answers = self.grader is not None and (any(self.expected.values()) or not self.grader.needs_expected)
        there = {
            "exemplars": bool(self.exemplars),
            "logprobs": any(completion.raw_logprobs for completion in self.completions),
            "entropies": any(completion.entropies for completion in self.completions),
            "expected": answers,
        }
        return frozenset(name for name, given in there.items() if given)

    def cells(self) -> dict[Hashable, list[int]]:
        """Return the indices of the completions of each cell, in order of first appearance."""
        found: dict[Hashable, list[int]] = {}
        for index, completion in enumerate(self.completions):
            found.setdefault((completion.prompt_id, completion.params), []).append(index)
        return found


@dataclass(frozen=True)
class Measure:
    """A number for each completion.

    Attributes:
        name: the key in tables and files.
        title: what a reader sees.
        criterion: what it is about: novelty, typicality, cohesion, coherence, diversity, predictability, accuracy or
            length.
        unit: of the values.
        more: what a higher value means.
        low: the smallest possible value.
        high: the largest possible value.
        validity: what is known of its worth; a proxy says that it is one.
        source: where the definition comes from.
        function: samples in, one value a completion out; NaN where undefined. A value that belongs to a whole cell
            stands at the cell's first completion, so that n counts cells.
        needs: what it needs besides texts, names of ``NEEDS``; nothing unless given.
        better: the direction of quality, where there is one; None where more is only more.
        length: how it stands to the length of a text.
    """

    name: str
    title: str
    criterion: str
    unit: str
    more: str
    low: float
    high: float
    validity: str
    source: str
    function: Callable[[Samples], Values]
    needs: frozenset[str] = frozenset()
    better: Literal["higher", "lower"] | None = None
    length: str = "not known"


def each(function: Callable[[Completion], float]) -> Callable[[Samples], Values]:
    """Return the measure that looks at one completion at a time."""

    def over(samples: Samples) -> Values:
        return np.array([function(completion) for completion in samples.completions], dtype=np.float64)

    return over
