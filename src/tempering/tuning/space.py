"""The settings that a search may choose from, and how far apart they are. Knows nothing of models or measures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams

Values = NDArray[np.float64]

SAMPLERS = ("temperature", "top_p", "min_p")
"""What a search may vary: T alone, or T with one truncation."""

LEVELS = {"top_p": (0.8, 0.9, 0.95, 1.0), "min_p": (0.0, 0.02, 0.05, 0.1, 0.2)}
"""Values of a truncation that are tried."""


@dataclass(frozen=True)
class Setting:
    """One candidate: a temperature, and a truncation where one is searched.

    Example:
        >>> Setting(0.7, top_p=0.9).shown()
        'T 0.7, top_p 0.9'
    """

    temperature: float
    top_p: float = 1.0
    min_p: float = 0.0

    def params(self, base: SamplingParams) -> SamplingParams:
        """Return the settings of a draw: those given, with this candidate's values."""
        changed = {"temperature": self.temperature}
        changed |= {"top_p": self.top_p} if self.top_p != 1 else {}
        changed |= {"min_p": self.min_p} if self.min_p != 0 else {}
        return replace(base, **changed)  # type: ignore[arg-type]

    def shown(self) -> str:
        """Return it as a reader sees it."""
        parts = [f"T {self.temperature:g}"]
        parts += [f"top_p {self.top_p:g}"] if self.top_p != 1 else []
        parts += [f"min_p {self.min_p:g}"] if self.min_p != 0 else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Space:
    """Candidates and their places; the temperatures of the search have length 1 in the first dimension.

    Attributes:
        settings: every candidate.
        coordinates: shape [candidates, dimensions].
    """

    settings: tuple[Setting, ...]
    coordinates: Values

    @property
    def temperatures(self) -> Values:
        """The temperature of every candidate, shape [candidates]."""
        return np.array([setting.temperature for setting in self.settings])

    def nearest(self, temperature: float) -> int:
        """Return the candidate nearest to a temperature, without truncation where there is one."""
        far = [(abs(s.temperature - temperature), s.top_p != 1 or s.min_p != 0) for s in self.settings]
        return min(range(len(far)), key=far.__getitem__)

    def grid(self, count: int) -> list[int]:
        """Return about ``count`` candidates spread evenly, both ends of T among them."""
        levels = np.unique(self.coordinates[:, 1]) if self.coordinates.shape[1] > 1 else np.array([0.0])
        chosen: dict[int, None] = {}
        each = max(2, math.ceil(count / len(levels)))
        for number, level in enumerate(levels):
            rows = np.arange(len(self.settings))
            if self.coordinates.shape[1] > 1:
                rows = rows[self.coordinates[:, 1] == level]
            # Levels take turns in where they stand, so that together they cover T more finely.
            shift = (number % 2) * 0.5 / each if len(levels) > 1 else 0.0
            for wanted in np.clip(np.linspace(0, 1, each) + shift, 0, 1):
                chosen[int(rows[np.argmin(np.abs(self.coordinates[rows, 0] - wanted))])] = None
        return list(chosen)


def make_space(
    temperatures: Sequence[float], sampler: str = "temperature", fisher: Sequence[float] | None = None
) -> Space:
    """Return the candidates of a search.

    Distances follow the model where its Fisher information of T is known: the integral of its square root is how far
    the distribution moves. Else they are those of log(1 + T), within .01 of it on the embedded model.

    Args:
        temperatures: at least two, ascending and finite.
        sampler: one of ``SAMPLERS``.
        fisher: temperatures at equal Fisher distance from the lowest to the highest, as ``study.grid`` gives them.

    Raises:
        ParameterError: fewer than two temperatures, or an unknown sampler.

    Example:
        >>> space = make_space([0, 0.5, 1])
        >>> space.coordinates.round(3).ravel().tolist()
        [0.0, 0.585, 1.0]
    """
    t = np.array(sorted(set(temperatures)), dtype=np.float64)
    if len(t) < 2 or not np.isfinite(t).all() or t[0] < 0:
        raise ParameterError("a search needs at least two finite temperatures >= 0", field="temperatures")
    if sampler not in SAMPLERS:
        raise ParameterError(f"sampler must be one of {', '.join(SAMPLERS)}, got {sampler!r}", field="truncation")
    x = np.log1p(t) if fisher is None else np.interp(t, fisher, np.linspace(0, 1, len(fisher)))
    x = (x - x[0]) / (x[-1] - x[0])
    if sampler == "temperature":
        return Space(tuple(Setting(float(value)) for value in t), x[:, None])
    levels = LEVELS[sampler]
    settings, places = [], []
    for number, level in enumerate(levels):
        for value, place in zip(t, x, strict=True):
            settings.append(Setting(float(value), **{sampler: level}))
            places.append((place, 0.5 * number / (len(levels) - 1)))
    return Space(tuple(settings), np.array(places))
