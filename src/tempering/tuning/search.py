"""The sequential search: an even grid with paired noise, then the budget near the best. Knows evaluators, no models.

All settings of a round are asked for the same texts (prompt and noise), so they are compared pair by pair, and every
round takes the next texts of one fixed list, so that the curves rest on all prompts. After each round the curves are
believed anew; the next texts go where the least regret is expected once they are there (the knowledge gradient, Frazier
et al. 2009). A setting that is clearly worse teaches nothing of the best: that is how it is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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

CHUNKS = 2
"""So many settings get texts in a round."""

PLACES, SIMULATED = 20, 32
"""Settings that are weighed against each other in a round, and answers imagined of each."""

LEAST = 3
"""Texts at a setting of the grid below which nothing can be said."""


@dataclass
class Seen:
    """Everything that was told, as the search goes.

    Attributes:
        told: every answer, in the order asked.
        begin: where in the common list of texts the next round begins.
        once: prompts asked for at a setting that repeats itself.
    """

    told: list[Told] = field(default_factory=list)
    begin: int = 0
    once: dict[int, set[int]] = field(default_factory=dict)

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
            i
            for i, s in enumerate(space.settings)
            if evaluator.repeats(s) and len(seen.once.get(i, ())) >= len(prompts)
        }
        curves = np.stack([beliefs[name].draws / means[name].spread for name in beliefs])
        wanted = _allocate(choice, curves, max(1, units // rounds_left), full, generator)
        if not wanted:
            return Found(choice, beliefs, means, seen, decided)
        _ask(evaluator, space, seen, wanted, prompts)
        rounds_left -= 1


def _settled(goal: Goal, choice: Choice) -> bool:
    """Whether more texts would not change the answer: a range asks for its ends, a value for nothing more."""
    return goal.answer == "value" or bool(choice.good.all()) or choice.sure >= 0.99


def _ask(evaluator: Evaluator, space: Space, seen: Seen, more: dict[int, int], prompts: Sequence[int]) -> None:
    """Ask for the next so many texts of the common list at each setting, the same ones at all of them."""
    asks = []
    for index, count in more.items():
        setting = space.settings[index]
        texts = [(prompts[u % len(prompts)], u // len(prompts)) for u in range(seen.begin, seen.begin + count)]
        if evaluator.repeats(setting):
            known = seen.once.setdefault(index, set())
            texts = [(p, 0) for p in dict.fromkeys(p for p, _ in texts) if p not in known]
            known.update(p for p, _ in texts)
        asks += [Ask(setting, p, group) for p, group in texts]
    seen.begin += max(more.values())
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


def _allocate(
    choice: Choice, curves: NDArray[np.float64], units: int, full: set[int], generator: np.random.Generator
) -> dict[int, int]:
    """Return how many texts the next settings get: those after which the least regret is to be expected.

    An answer is imagined by taking one drawn curve for true and adding noise; the drawn curves are then weighed by how
    well they agree with it. ``curves`` are those of each measure, in standard deviations of a text, shape [measures,
    draws, candidates]; settings in ``full`` have no other text to give.
    """
    counts = np.bincount(choice.optima, minlength=len(choice.regret))
    likely = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] and int(i) not in full][:PLACES]
    if not likely:
        return {}
    truth = generator.choice(curves.shape[1], size=SIMULATED, replace=False)
    size = -(-units // CHUNKS)
    belief = np.zeros((SIMULATED, curves.shape[1]))
    wanted: dict[int, int] = {}
    for _ in range(CHUNKS):
        noise = generator.standard_normal((len(curves), SIMULATED)) / np.sqrt(size)
        options = []
        for place in likely:
            imagined = curves[:, truth, place] + noise
            unlike = ((imagined[:, :, None] - curves[:, None, :, place]) ** 2).sum(axis=0)
            after = belief - unlike * size / 2
            weight = np.exp(after - after.max(axis=1, keepdims=True))
            weight /= weight.sum(axis=1, keepdims=True)
            options.append((float((weight @ choice.lost).min(axis=1).mean()), place, after))
        _, chosen, belief = min(options, key=lambda option: option[:2])
        wanted[chosen] = wanted.get(chosen, 0) + min(size, units)
        units -= min(size, units)
    return {place: count for place, count in wanted.items() if count}
