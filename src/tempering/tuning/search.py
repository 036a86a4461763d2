"""The sequential search: an even grid with paired noise, then the budget near the best. Knows evaluators, no models.

Every setting is asked for the same texts in the same order (the first so many of one fixed list of prompt and group),
so two settings are always compared on common prompts and common noise. After each round the curves are believed anew;
the next texts go to settings that a drawn curve holds to be the best, half of them to its rival (top-two Thompson
sampling, Russo 2020). A setting that is clearly worse is no longer drawn, which is how it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tempering.errors import GoalError
from tempering.tuning.curve import Belief, Means, believe, gather
from tempering.tuning.decide import Choice, decide
from tempering.tuning.evaluator import Ask, Evaluator, Told
from tempering.tuning.goals import Goal
from tempering.tuning.space import Space

GRID = 9
SMALL_GRID = 7
ROUNDS = 10
FIRST_SHARE = 0.45
"""Of the texts of the search, this share goes to the even grid."""

CHUNKS = 5
"""So many settings get texts in a round."""

LEAST = 3
"""Texts at a setting of the grid below which nothing can be said."""


@dataclass
class Seen:
    """Everything that was told, as the search goes.

    Attributes:
        told: every answer, in the order asked.
        counts: how many texts of the common list each setting has had.
    """

    told: list[Told] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Texts spent."""
        return sum(told.samples for told in self.told)

    @property
    def tokens(self) -> int:
        """Tokens spent."""
        return sum(told.tokens for told in self.told)

    @property
    def errors(self) -> list[str]:
        """What went wrong, a line a text."""
        return [told.error for told in self.told if told.error]


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        choice: what the curves say of the goal.
        beliefs: the curve of every measure.
        means: the means that they rest on.
        seen: everything that was told.
        decided: whether it stopped because the decision was made, not because the budget was spent.
    """

    choice: Choice
    beliefs: dict[str, Belief]
    means: dict[str, Means]
    seen: Seen
    decided: bool


@dataclass(frozen=True)
class Step:
    """Progress of a search.

    Attributes:
        phase: ``grid``, ``search`` or ``confirm``.
        samples: texts spent.
        total: texts that may be spent.
        temperature: the best T as believed now; NaN before there is a belief.
        low: lower end of its interval.
        high: upper end.
        sure: probability that it is within the margin of the best.
    """

    phase: str
    samples: int
    total: int
    temperature: float
    low: float
    high: float
    sure: float


def search(
    evaluator: Evaluator,
    goal: Goal,
    space: Space,
    *,
    samples: int,
    confidence: float = 0.95,
    seed: int = 0,
    left: Callable[[Seen], int] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Found:
    """Search for the setting that serves the goal best.

    Args:
        evaluator: answers.
        goal: what is wanted.
        space: the candidates.
        samples: texts that may be spent.
        confidence: stop when the choice is within the goal's margin of the best with this probability.
        seed: of every chance in the search; the same seed asks the same questions.
        left: texts left to spend, if the budget is counted in something else than texts.
        on_step: told after every round.

    Raises:
        GoalError: a measure of the goal was undefined for every text.
    """
    generator = np.random.default_rng(seed)
    prompts = [int(p) for p in generator.permutation(list(evaluator.prompts))]
    seen, budget = Seen(), samples // evaluator.cost
    remaining = left or (lambda so_far: samples - so_far.samples)
    grid = space.grid(GRID if budget >= 12 * GRID else SMALL_GRID)
    first = max(LEAST, round(FIRST_SHARE * budget / len(grid)))
    _ask(evaluator, space, seen, dict.fromkeys(grid, first), prompts)
    rounds_left, decided = ROUNDS, False
    while True:
        number = ROUNDS - rounds_left
        beliefs, means = _believe(seen, goal, space, seed + number)
        choice = decide(beliefs, goal, space, confidence=confidence, seed=seed + number)
        units = remaining(seen) // evaluator.cost
        decided = choice.sure >= confidence and _settled(goal, choice)
        if on_step:
            own = space.settings[choice.best].temperature
            phase = "search" if number else "grid"
            on_step(Step(phase, seen.samples, samples, own, choice.low, choice.high, choice.sure))
        if decided or units < 1 or rounds_left == 0:
            return Found(choice, beliefs, means, seen, decided)
        full = {
            i for i, s in enumerate(space.settings) if evaluator.repeats(s) and seen.counts.get(i, 0) >= len(prompts)
        }
        wanted = _allocate(choice, max(1, units // rounds_left), full, generator)
        if not wanted:
            return Found(choice, beliefs, means, seen, decided)
        _ask(evaluator, space, seen, wanted, prompts)
        rounds_left -= 1


def _settled(goal: Goal, choice: Choice) -> bool:
    """Whether more texts would not change the answer: a range asks for its ends, a value for nothing more."""
    return goal.answer == "value" or bool(choice.good.all()) or choice.sure >= 0.99


def _ask(evaluator: Evaluator, space: Space, seen: Seen, more: dict[int, int], prompts: Sequence[int]) -> None:
    """Ask for the next so many texts of the common list at each setting."""
    asks = []
    for index, count in more.items():
        begin = seen.counts.get(index, 0)
        end = begin + count
        if evaluator.repeats(space.settings[index]):
            end = min(end, len(prompts))
        asks += [Ask(space.settings[index], prompts[u % len(prompts)], u // len(prompts)) for u in range(begin, end)]
        seen.counts[index] = end
    seen.told += evaluator.evaluate(asks)


def _believe(seen: Seen, goal: Goal, space: Space, seed: int) -> tuple[dict[str, Belief], dict[str, Means]]:
    place = {setting: index for index, setting in enumerate(space.settings)}
    setting = np.array([place[told.ask.setting] for told in seen.told])
    prompt = np.array([told.ask.prompt for told in seen.told])
    beliefs, means = {}, {}
    for number, name in enumerate(goal.measures):
        values = np.array([told.values.get(name, np.nan) for told in seen.told])
        if np.isnan(values).all():
            why = f": {seen.errors[0]}" if seen.errors else "; the texts may be too short for it"
            raise GoalError(f"{name} was undefined for all {len(values)} texts{why}")
        means[name] = gather(values, setting, prompt, space.coordinates)
        beliefs[name] = believe(means[name], space.coordinates, seed=seed * 100 + number)
    return beliefs, means


def _allocate(choice: Choice, units: int, full: set[int], generator: np.random.Generator) -> dict[int, int]:
    """Return how many texts the next settings get; those in ``full`` have no other text to give."""
    size = max(1, -(-units // CHUNKS))
    wanted: dict[int, int] = {}
    optima = [int(best) for best in choice.optima if int(best) not in full]
    while units > 0 and optima:
        leader = optima[generator.integers(len(optima))]
        rivals = [best for best in optima if best != leader]
        chosen = rivals[generator.integers(len(rivals))] if rivals and generator.random() < 0.5 else leader
        wanted[chosen] = wanted.get(chosen, 0) + min(size, units)
        units -= size
    return wanted
