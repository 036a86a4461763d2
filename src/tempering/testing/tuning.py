"""Tuning tasks whose best temperature is known in closed form, to test any search of temperatures.

A task draws prompts and texts by formula: the mean of every measure over prompts is exactly its curve, prompts differ
in level (and in their curves, where a task says so), and the same text at two T is alike to a stated degree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tempering.tuning.confirm import FRESH
from tempering.tuning.evaluator import Ask, Told
from tempering.tuning.goals import Goal, make_goal
from tempering.tuning.space import Setting

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
GRID = np.round(np.arange(0, 2.001, 0.05), 2)
"""The temperatures that known tasks answer at; others are rounded to the nearest."""

GROUPS = 48
"""So many texts of a prompt differ, and so many fresh ones."""


@dataclass(frozen=True)
class KnownTask:
    """A tuning task with a known answer.

    Attributes:
        name: of the task.
        goal: what is wanted.
        curves: the true mean of every measure of the goal as a function of T.
        binary: whether the objective is a share of right answers; else it is a number.
        noise: standard deviation of a text's number (of numbers only).
        prompt_share: share of the variance that lies between prompts, in [0, 1).
        interaction: share of the prompts' variance that differs by T, in [0, 1].
        pairing: share of a text's variance that is the same at every T (common noise), in [0, 1).
        flat: whether T does nothing.
    """

    name: str
    goal: Goal
    curves: Mapping[str, Curve]
    binary: bool = True
    noise: float = 0.2
    prompt_share: float = 0.3
    interaction: float = 0.3
    pairing: float = 0.2
    flat: bool = False

    def truth(self, measure: str, temperatures: NDArray[np.float64] = GRID) -> NDArray[np.float64]:
        """Return the true means at these temperatures."""
        return np.asarray(self.curves[measure](np.asarray(temperatures, np.float64)), np.float64)

    def missed(self, temperatures: NDArray[np.float64] = GRID) -> NDArray[np.float64]:
        """Return by what share of its measure's range each bound is missed, summed over bounds."""
        total = np.zeros(len(temperatures))
        for bound in self.goal.bounds:
            every, here = self.truth(bound.measure), self.truth(bound.measure, temperatures)
            floor = bound.at_least
            if bound.within is not None:
                floor = float(every.max() * (1 - bound.within))
            if floor is not None:
                total += np.maximum(floor - here, 0) / max(float(np.ptp(every)), 1e-9)
        return total

    def regret(self, temperature: float) -> float:
        """Return what a choice costs: the objective it lacks, and twice its range times the share of a missed bound."""
        name = next(iter(self.goal.objective))
        every, here = self.truth(name), self.truth(name, np.array([temperature]))
        best = float(every[self.missed() <= 1e-12].max())
        return max(0.0, best - float(here[0])) + 2 * float(np.ptp(every)) * float(
            self.missed(np.array([temperature]))[0]
        )

    @property
    def best(self) -> float:
        """The best T of the grid; the middle of all best ones where several are."""
        name = next(iter(self.goal.objective))
        value = np.where(self.missed() <= 1e-12, self.truth(name), -np.inf)
        return float(np.median(GRID[value >= value.max() - 1e-12]))


@dataclass
class KnownEvaluator:
    """Answers for a known task; every seed is another set of prompts and texts.

    Attributes:
        task: the task.
        seed: of prompts and texts.
        count: prompts to search with.
        held: prompts held out.
    """

    task: KnownTask
    seed: int = 0
    count: int = 24
    held: int = 12
    cost: int = 1
    asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        count = self.count + self.held
        shape = (count, 2 * GROUPS, len(self.task.goal.measures))
        generator = np.random.default_rng([self.seed, 1])
        self._prompt = generator.standard_normal((count, 3))
        self._same = generator.standard_normal(shape)
        self._own = generator.standard_normal((*shape, len(GRID)))
        self._mean = {name: self.task.truth(name) for name in self.task.goal.measures}

    @property
    def prompts(self) -> Sequence[int]:
        """Prompts to search with."""
        return range(self.count)

    @property
    def held_out(self) -> Sequence[int]:
        """Prompts held out."""
        return range(self.count, self.count + self.held)

    def repeats(self, setting: Setting) -> bool:  # noqa: ARG002 - part of the protocol
        """No setting repeats itself."""
        return False

    def evaluate(self, asks: Sequence[Ask]) -> list[Told]:
        """Answer every question."""
        self.asked += len(asks)
        return [Told(ask, self._values(ask)) for ask in asks]

    def _values(self, ask: Ask) -> dict[str, float]:
        task, at = self.task, int(np.abs(GRID - ask.setting.temperature).argmin())
        # Fresh groups have texts of their own.
        group = ask.group % GROUPS + (GROUPS if ask.group >= FRESH else 0)
        level, first, second = self._prompt[ask.prompt]
        own = np.cos(np.pi * GRID[at] / 2) * first + np.sin(np.pi * GRID[at] / 2) * second
        effect = np.sqrt(1 - task.interaction) * level + np.sqrt(task.interaction) * own
        found = {}
        for number, name in enumerate(task.goal.measures):
            same, other = self._same[ask.prompt, group, number], self._own[ask.prompt, group, number, at]
            e = np.sqrt(task.pairing) * same + np.sqrt(1 - task.pairing) * other
            latent = float(np.sqrt(task.prompt_share) * effect + np.sqrt(1 - task.prompt_share) * e)
            mean = float(self._mean[name][at])
            found[name] = float(latent < special.ndtri(mean)) if task.binary else mean + task.noise * latent
        return found


def _peak(at: float, width: float, high: float, low: float) -> Curve:
    return lambda t: low + (high - low) * np.exp(-(((t - at) / width) ** 2) / 2)


def _cliff(at: float, width: float, high: float, low: float) -> Curve:
    return lambda t: low + (high - low) * special.expit(-(t - at) / width)


def _line(first: float, last: float) -> Curve:
    return lambda t: first + (last - first) * t / 2


def _accuracy(margin: float = 0.02) -> Goal:
    return make_goal({"name": "known", "maximise": "accuracy", "margin": margin})


def _novelty(bound: dict[str, object], margin: float = 0.02) -> Goal:
    bounds = [{"measure": "adjacent_overlap"} | bound]
    return make_goal({"name": "known", "maximise": "unique_word_share", "bounds": bounds, "margin": margin})


KNOWN_TASKS: tuple[KnownTask, ...] = (
    KnownTask("falling", _accuracy(), {"accuracy": _line(0.8, 0.35)}),
    KnownTask("rising", _accuracy(), {"accuracy": _line(0.3, 0.7)}),
    KnownTask("peak", _accuracy(), {"accuracy": _peak(0.7, 0.45, 0.75, 0.3)}),
    KnownTask("narrow peak", _accuracy(), {"accuracy": _peak(1.2, 0.25, 0.7, 0.35)}),
    KnownTask("flat", _accuracy(), {"accuracy": lambda t: np.full_like(t, 0.6)}, flat=True),
    KnownTask(
        "flat, unlike prompts",
        _accuracy(),
        {"accuracy": lambda t: np.full_like(t, 0.4)},
        prompt_share=0.7,
        interaction=0.2,
        flat=True,
    ),
    KnownTask("late cliff", _accuracy(), {"accuracy": _cliff(1.45, 0.05, 0.58, 0.05)}),
    KnownTask("early cliff", _accuracy(), {"accuracy": lambda t: _cliff(0.6, 0.08, 0.7, 0.2)(t) + 0.02 * t}),
    KnownTask(
        "noisy peak", _accuracy(0.03), {"accuracy": _peak(0.9, 0.5, 0.55, 0.35)}, binary=False, noise=0.5, pairing=0.1
    ),
    KnownTask(
        "floor",
        _novelty({"at_least": 0.6}),
        {"unique_word_share": _line(0.1, 0.7), "adjacent_overlap": _cliff(1.1, 0.2, 0.9, 0.1)},
        binary=False,
    ),
    KnownTask(
        "relative floor",
        _novelty({"within": 0.1}),
        {
            "unique_word_share": lambda t: 0.05 + 0.3 * special.expit((t - 0.9) * 3),
            "adjacent_overlap": _cliff(1.3, 0.12, 0.85, 0.2),
        },
        binary=False,
        noise=0.15,
    ),
    KnownTask(
        "peak, unlike prompts",
        _accuracy(),
        {"accuracy": _peak(0.5, 0.5, 0.7, 0.4)},
        prompt_share=0.5,
        interaction=0.5,
    ),
)
"""Twelve tasks: monotone, peaked, flat, with a cliff, noisy, with bounds, with prompts that differ."""
