"""From believed curves to a choice: the best setting, how sure that is, and which others are as good. Arrays only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tempering.tuning.curve import Belief
from tempering.tuning.goals import Bound, Goal
from tempering.tuning.space import Space

Values = NDArray[np.float64]

VIOLATION = 2.0
"""A bound missed by a share of its measure's range counts as this many times that share of the objective's range."""


@dataclass(frozen=True)
class Choice:
    """What the curves say of the goal.

    Attributes:
        best: the candidate with the least expected regret.
        regret: expected regret of every candidate, in units of the objective, shape [candidates].
        lost: regret of every candidate under each drawn curve, shape [draws, candidates].
        optima: for each drawn curve, its best candidate, shape [draws].
        low: lower end of the interval that holds the best T.
        high: upper end.
        sure: probability that the choice is within the margin of the best.
        good: whether a candidate is within the margin of the best, at the confidence asked, shape [candidates].
        feasible: probability that every bound is kept, shape [candidates].
        equal: probability that no candidate is further than the margin from the best.
        doubt: regret of the choice that is not exceeded at the confidence asked, in units of the objective.
        lacks_at_least: what the objective of every candidate lacks to that of the choice, exceeded at the confidence
            asked, shape [candidates].
        lacks_at_most: the same, not exceeded at the confidence asked.
    """

    best: int
    regret: Values
    lost: Values
    optima: NDArray[np.int64]
    low: float
    high: float
    sure: float
    good: NDArray[np.bool_]
    feasible: Values
    equal: float
    doubt: float
    lacks_at_least: Values
    lacks_at_most: Values


def decide(beliefs: Mapping[str, Belief], goal: Goal, space: Space, *, confidence: float, seed: int = 0) -> Choice:
    """Return what the beliefs say of the goal.

    Regret of a candidate under one drawn curve: what the objective lacks to the best candidate that keeps every bound,
    and ``VIOLATION`` times the share of its measure's range by which each bound is missed.
    """
    objective = sum(weight * beliefs[name].draws for name, weight in goal.objective.items())
    mean = sum(weight * beliefs[name].mean for name, weight in goal.objective.items())
    assert isinstance(objective, np.ndarray)
    assert isinstance(mean, np.ndarray)
    span = max(float(np.ptp(mean)), goal.margin)
    missed = np.zeros_like(objective)
    for bound in goal.bounds:
        belief = beliefs[bound.measure]
        missed += _missed(belief, bound) / max(float(np.ptp(belief.mean)), 1e-9)
    kept = missed <= 1e-9
    # Equal candidates are chosen among by chance, not by their place.
    ties = np.random.default_rng(seed).random(objective.shape) * 1e-9 * span
    rank = np.where(kept, objective + ties, objective.min() - span * (1 + missed))
    optima = rank.argmax(axis=1)
    best_value = np.take_along_axis(objective, optima[:, None], axis=1)
    least = np.take_along_axis(missed, optima[:, None], axis=1)
    lacks = np.maximum(best_value - objective, 0.0)
    regret = lacks + VIOLATION * span * np.maximum(missed - least, 0.0)
    expected = regret.mean(axis=0)
    best = int(expected.argmin())
    near = (regret <= goal.margin).mean(axis=0)
    low, high = _location(space.temperatures[optima], confidence)
    return Choice(
        best=best,
        regret=expected,
        lost=regret,
        optima=optima,
        low=min(low, space.settings[best].temperature),
        high=max(high, space.settings[best].temperature),
        sure=float(near[best]),
        good=near >= confidence,
        feasible=kept.mean(axis=0),
        equal=float((regret.max(axis=1) <= goal.margin).mean()),
        doubt=float(np.quantile(regret[:, best], confidence)),
        lacks_at_least=np.quantile(objective[:, [best]] - objective, 1 - confidence, axis=0),
        lacks_at_most=np.quantile(objective[:, [best]] - objective, confidence, axis=0),
    )


def _missed(belief: Belief, bound: Bound) -> Values:
    """Return how far each drawn curve misses a bound at each candidate, in the unit of its measure.

    The best value, for a relative bound, is that at the candidate believed best: the largest value of a drawn curve
    would be its largest error as well.
    """
    draws = belief.draws
    missed = np.zeros_like(draws)
    if bound.at_least is not None:
        missed += np.maximum(bound.at_least - draws, 0.0)
    if bound.at_most is not None:
        missed += np.maximum(draws - bound.at_most, 0.0)
    if bound.within is not None and bound.best == "highest":
        top = draws[:, [int(belief.mean.argmax())]]
        missed += np.maximum(top - bound.within * np.abs(top) - draws, 0.0)
    elif bound.within is not None:
        bottom = draws[:, [int(belief.mean.argmin())]]
        missed += np.maximum(draws - bottom - bound.within * np.abs(bottom), 0.0)
    return missed


def _location(temperatures: Values, confidence: float) -> tuple[float, float]:
    """Return the central interval of the drawn best temperatures."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(temperatures, [tail, 1 - tail], method="nearest")
    return float(low), float(high)


def unbroken(choice: Choice, space: Space, good: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the unbroken range of T around the choice whose candidates are good, at the same truncation."""
    own = space.settings[choice.best]
    row = [i for i, s in enumerate(space.settings) if (s.top_p, s.min_p) == (own.top_p, own.min_p)]
    at = low = high = row.index(choice.best)
    while low > 0 and good[row[low - 1]]:
        low -= 1
    while high < len(row) - 1 and good[row[high + 1]]:
        high += 1
    return space.settings[row[low]].temperature, space.settings[row[max(high, at)]].temperature
