"""What a measure is: a number for each completion, with what is known of it. Knows nothing of temperature or files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Completions that are looked at together, usually all of a study.

    Attributes:
        completions: the texts; measures that compare texts compare these.
        exemplars: for each prompt id, the text of its greedy completion.
    """

    completions: tuple[Completion, ...]
    exemplars: Mapping[str, str]


@dataclass(frozen=True)
class Measure:
    """A number for each completion.

    Attributes:
        name: the key in tables and files.
        title: what a reader sees.
        criterion: what it is about: novelty, typicality, cohesion, diversity, predictability or length.
        unit: of the values.
        more: what a higher value means.
        low: the smallest possible value.
        high: the largest possible value.
        validity: what is known of its worth; a proxy says that it is one.
        source: where the definition comes from.
        function: samples in, one value a completion out; NaN where undefined.
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


def each(function: Callable[[Completion], float]) -> Callable[[Samples], Values]:
    """Return the measure that looks at one completion at a time."""

    def over(samples: Samples) -> Values:
        return np.array([function(completion) for completion in samples.completions], dtype=np.float64)

    return over
