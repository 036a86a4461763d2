"""Whether a setting still stands after a new run: has the best T moved? Knows recommendations; knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tempering.errors import GoalError
from tempering.tuning.answer import CurvePoint, Recommendation

Verdict = Literal["holds", "moved", "undecided"]


@dataclass(frozen=True)
class Check:
    """What a new run says of an old setting.

    Attributes:
        verdict: ``holds``: it lies where the new run looks for the best, or T does nothing there. ``moved``: it lies
            outside. ``undecided``: the new run could not tell.
        temperature: the T that was checked.
        sentence: in words.
        loss: believed loss of the objective against the new best, in its unit; None where it is not known.
    """

    verdict: Verdict
    temperature: float
    sentence: str
    loss: float | None


def check(temperature: float, goal_name: str | None, new: Recommendation) -> Check:
    """Return whether a temperature stands against a new run.

    Args:
        temperature: the one in use.
        goal_name: the goal that it was found for; None if that is not known.
        new: the new run's answer.

    Raises:
        GoalError: the new run had another goal, so that it says nothing of the old one.
    """
    if goal_name is not None and goal_name != new.goal.name:
        raise GoalError(
            f"the new run tuned for {new.goal.name!r}, the old for {goal_name!r}: repeat it with the same goal"
        )
    loss = _loss(temperature, new)
    lost = "" if loss is None else f" (believed loss {loss:.2g} {new.goal.objective_name})"
    if new.kind in {"no-effect", "fixed"}:
        return Check("holds", temperature, f"T = {temperature:g} stands: {new.sentence}", loss)
    if new.kind == "more-budget" or new.low is None or new.high is None:
        return Check(
            "undecided", temperature, f"It cannot be said whether T = {temperature:g} stands. {new.sentence}", loss
        )
    what = "the range that is as good" if new.kind == "range" else "the interval of the best T"
    where = f"{what}, [{new.low:g}, {new.high:g}]"
    if new.low <= temperature <= new.high:
        return Check("holds", temperature, f"T = {temperature:g} stands: it lies in {where}{lost}.", loss)
    return Check("moved", temperature, f"The best T has moved: T = {temperature:g} lies outside {where}{lost}.", loss)


def _loss(temperature: float, new: Recommendation) -> float | None:
    """Return the believed objective at the recommended T less that at this one."""
    if new.params is None or not new.curves:
        return None
    here, best = 0.0, 0.0
    for name, weight in new.goal.objective.items():
        curve = [point for point in new.curves if point.measure == name]
        if not curve:
            return None
        here += weight * _nearest(curve, temperature).believed
        best += weight * _nearest(curve, float(new.params["temperature"])).believed
    return best - here


def _nearest(curve: list[CurvePoint], temperature: float) -> CurvePoint:
    return min(curve, key=lambda point: abs(point.temperature - temperature))
