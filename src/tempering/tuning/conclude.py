"""From what was found and confirmed to one answer in words. Knows numbers and the goal; knows no model and no file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tempering.tuning.answer import Kind
from tempering.tuning.confirm import Confirmed
from tempering.tuning.decide import Choice, unbroken
from tempering.tuning.goals import Goal
from tempering.tuning.search import Found
from tempering.tuning.space import Setting, Space

NARROW = 0.4
"""An interval of the best T up to this wide is a value; beyond it, a range."""

HOPELESS = 0.75
"""An interval of the best T beyond this share of the searched range excludes too little to be an answer."""

LIKELY = 0.5
"""A setting of a range keeps every bound with at least this probability."""

CLEAR = 2
"""A search that believes in a difference of so many margins at least is not called one without an effect."""

CELLS = 4
"""A search spends about so many texts for each one that the comparison of winner and contrast rests on."""


@dataclass(frozen=True)
class Conclusion:
    """The answer.

    Attributes:
        kind: see ``answer.KINDS``.
        sentence: in words.
        temperature: the T to set (to choose, if one must be chosen now).
        low: lower end of what the answer speaks of.
        high: upper end.
        confirmed: whether fresh texts bear it out.
        more_samples: about how many texts more would decide; None where it is decided or cannot be said.
    """

    kind: Kind
    sentence: str
    temperature: float
    low: float
    high: float
    confirmed: bool
    more_samples: int | None


@dataclass(frozen=True)
class _Case:
    """What the answers are made of."""

    found: Found
    fresh: Confirmed
    goal: Goal
    space: Space
    current: float
    confidence: float

    @property
    def best(self) -> Setting:
        return self.space.settings[self.found.choice.best]

    @property
    def ends(self) -> tuple[float, float]:
        return float(self.space.temperatures.min()), float(self.space.temperatures.max())

    @property
    def more(self) -> int:
        """How many texts more would bring the doubt down to the margin, as it falls with their square root."""
        ratio = self.found.choice.doubt / self.goal.margin
        return max(0, math.ceil(self.found.seen.samples * (ratio**2 - 1)))

    def kept(self, low: float, high: float) -> float:
        """Return the T in use if it lies in the range, else the best."""
        return self.current if low <= self.current <= high else self.best.temperature


def conclude(
    found: Found, fresh: Confirmed, goal: Goal, space: Space, *, current: float, confidence: float
) -> Conclusion:
    """Return the answer that the numbers allow.

    A value or a range needs a difference between the winner and the contrast on fresh texts: without one there is no
    detectable effect, or, if every setting is shown to be within the margin, a range that is everything. A bound that
    fresh texts show to be missed takes the answer back.
    """
    case, choice = _Case(found, fresh, goal, space, current, confidence), found.choice
    if missed := _missed_bound(case):
        sentence = (
            f"No setting could be confirmed: on fresh texts T = {case.best.temperature:g} misses a bound ({missed})."
        )
        return Conclusion(
            "more-budget", sentence, case.best.temperature, choice.low, choice.high, False, found.seen.samples
        )
    if not fresh.effect.low > 0:
        return _without_effect(case)
    low, high = unbroken(choice, space, choice.good)
    sure = choice.sure >= confidence
    if sure and (goal.answer == "range" or high - low > NARROW):
        return _range(case, low, high)
    width = choice.high - choice.low
    if goal.answer == "value" and (sure or width <= NARROW):
        return _value(case, sure)
    alike = (choice.lacks_at_least <= goal.margin) & (choice.feasible >= LIKELY)
    alike &= (space.temperatures >= choice.low) & (space.temperatures <= choice.high)
    low, high = unbroken(choice, space, alike)
    if high - low > NARROW and width <= HOPELESS * float(np.ptp(case.ends)):
        return _wide_range(case, low, high)
    return _undecided(case)


def _value(case: _Case, sure: bool) -> Conclusion:
    choice, t = case.found.choice, case.best.temperature
    sentence = f"Set T = {t:g}: the best T lies in {_ends(choice)} ({case.confidence:.0%} interval)."
    return Conclusion("value", sentence, t, choice.low, choice.high, True, None if sure else case.more)


def _range(case: _Case, low: float, high: float) -> Conclusion:
    same = f"within {case.goal.margin:g} of the best"
    return Conclusion("range", _anything(case, low, high, same), case.kept(low, high), low, high, True, None)


def _wide_range(case: _Case, low: float, high: float) -> Conclusion:
    choice, t = case.found.choice, case.space.temperatures
    sentence = _anything(case, low, high, "as good as the best, as far as can be told")
    doubt = float(choice.lacks_at_most[(t >= low) & (t <= high)].max())
    sentence += f" Differences up to {doubt:.2g} are not excluded inside it; {_about(case.more)} would tell."
    return Conclusion("range", sentence, case.kept(low, high), low, high, True, case.more)


def _undecided(case: _Case) -> Conclusion:
    choice, t = case.found.choice, case.best.temperature
    sentence = (
        f"Not enough budget: T matters here, but the best T can lie anywhere in {_ends(choice)}; "
        f"{_about(case.more)} would decide. If you must choose now: T = {t:g}."
    )
    return Conclusion("more-budget", sentence, t, choice.low, choice.high, False, case.more)


def _without_effect(case: _Case) -> Conclusion:
    """Return what is left to say where the winner did not beat the contrast on fresh texts."""
    choice = case.found.choice
    if choice.equal >= case.confidence:
        return _range(case, *case.ends)
    believed = float(choice.lacks_at_least.max())
    if believed <= CLEAR * case.goal.margin:
        return _no_effect(case)
    t, effect, seen = case.best.temperature, case.fresh.effect, case.fresh.detectable
    more = None if math.isnan(seen) else max(0, math.ceil(case.found.seen.samples * ((seen / believed) ** 2 - 1)))
    needed = f"{_about(more)}, or more prompts," if more else "more prompts"
    sentence = (
        f"Not confirmed: in the search T = {t:g} was clearly better than the worst, on fresh texts it was not "
        f"({effect.value:.2g} [{effect.low:.2g}, {effect.high:.2g}], n = {effect.n}); {needed} "
        f"would confirm it. If you must choose now: T = {t:g}."
    )
    return Conclusion("more-budget", sentence, t, choice.low, choice.high, False, more)


def _no_effect(case: _Case) -> Conclusion:
    """Say what could have been seen, and how many texts would show a difference of the margin."""
    seen, margin = case.fresh.detectable, case.goal.margin
    if math.isnan(seen):
        prompts = "1 prompt" if case.fresh.prompts == 1 else f"{case.fresh.prompts} prompts"
        could, more = f"what the fresh texts of {prompts} could have shown cannot be said: give more prompts", None
    else:
        could = f"a difference of {seen:.2g} would have been seen with a chance of 80 %"
        more = max(0, math.ceil(CELLS * 2 * case.fresh.effect.n * case.goal.group * ((seen / margin) ** 2 - 1)))
    sentence = (
        f"No detectable effect of T on {case.goal.objective_name}: keep your default, T = {case.current:g}; {could}."
    )
    if more:
        sentence += f" It takes {_about(more)} to see a difference of {margin:g}."
    return Conclusion("no-effect", sentence, case.current, *case.ends, False, more)


def _missed_bound(case: _Case) -> str:
    """Return the first bound whose interval on fresh texts lies on its wrong side.

    A relative bound is missed if the interval lies on the wrong side of where the best value, as the search believes
    it, may put the bound at the confidence asked.
    """
    for bound in case.goal.bounds:
        estimate = case.fresh.estimates[case.best][bound.measure]
        shown = f"{bound.measure} {estimate.value:.3g}"
        if bound.at_least is not None and estimate.high < bound.at_least:
            return f"{shown}, at least {bound.at_least:g} is asked"
        if bound.at_most is not None and estimate.low > bound.at_most:
            return f"{shown}, at most {bound.at_most:g} is asked"
        if bound.within is not None:
            belief = case.found.beliefs[bound.measure]
            sign = 1 if bound.best == "highest" else -1
            at = int((sign * belief.mean).argmax())
            unsure = NormalDist().inv_cdf((1 + case.confidence) / 2) * float(belief.deviation[at])
            best = sign * float(belief.mean[at])
            reached = estimate.high if sign == 1 else -estimate.low
            if reached < best - unsure - bound.within * abs(best - unsure):
                return f"{shown}, {bound.within:.0%} from its {bound.best} value {sign * best:.3g} is allowed"
    return ""


def _anything(case: _Case, low: float, high: float, same: str) -> str:
    keep = f": keep your default, T = {case.current:g}" if low <= case.current <= high else ""
    return f"Anything from T = {low:g} to {high:g} is {same}{keep}."


def _ends(choice: Choice) -> str:
    return f"[{choice.low:g}, {choice.high:g}]"


def _about(texts: int) -> str:
    step = 10 ** max(0, len(str(texts)) - 2)
    return f"about {-(-texts // step) * step:,} texts more"
