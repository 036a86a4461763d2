"""The label-free suggestion: texts at an even grid of T, and where their entropy turns. Knows evaluators, no models."""

from __future__ import annotations

import numpy as np

from tempering.errors import ParameterError
from tempering.statistics.means import t_mean
from tempering.statistics.turning import turning_of_texts
from tempering.tuning.answer import CurvePoint, Recommendation
from tempering.tuning.evaluator import Ask, Evaluator
from tempering.tuning.goals import Goal
from tempering.tuning.plan import TunePlan
from tempering.tuning.space import Setting

ENTROPY = Goal(name="label-free", maximise="mean_entropy")
"""What is measured where nothing can be graded; nothing is maximised."""

PLACES = 10
LOWEST = 0.2
"""Below this T entropies are near 0 and their logarithm is noise."""

BEST_OF = 0.1
"""Added where the best of several texts is taken, as in the source of the turning point."""

WIDE = 0.5
"""An interval of the turning point wider than this is no suggestion."""


def suggest(plan: TunePlan, evaluator: Evaluator, identity: str) -> Recommendation:
    """Spend the budget on an even grid and return the entropy's turning point as a suggestion."""
    candidates = np.array([t for t in plan.task.temperatures if t >= LOWEST])
    wanted = np.linspace(candidates[0], candidates[-1], PLACES) if len(candidates) else candidates
    chosen = sorted({float(candidates[np.abs(candidates - t).argmin()]) for t in wanted})
    prompts = [*evaluator.prompts, *evaluator.held_out]
    each = max(1, plan.budget.samples() // max(len(chosen), 1))
    asks = [Ask(Setting(t), prompts[u % len(prompts)], u // len(prompts)) for t in chosen for u in range(each)]
    told = evaluator.evaluate(asks)
    entropies = np.array([one.values["mean_entropy"] for one in told])
    temperatures = np.array([one.ask.setting.temperature for one in told])
    clusters = np.array([one.ask.prompt for one in told])
    levels = _levels(entropies, temperatures, clusters)
    if not len(levels):
        raise ParameterError("no prompt has a text with entropies at every temperature", field="prompts")
    found = turning_of_texts(np.array(chosen), levels, n=len(told), confidence=plan.confidence, seed=plan.seed)
    turn, turns = found.temperature, found.found
    several = plan.goal.k > 1 and plan.goal.use == "best"
    t = round(turn.value + (BEST_OF if several else 0.0), 2) if turns else plan.current
    usable = turns and turn.high - turn.low <= WIDE
    ends = f"[{turn.low:.2f}, {turn.high:.2f}]" if turn.high < np.inf else f"at {turn.low:.2f} or above"
    if np.isnan(turn.low):
        ends = f"near {turn.value:.2f}, but one prompt gives no interval"
    if usable:
        sentence = (
            f"A suggestion: T = {t:g}. The entropy of a step turns at T = {turn.value:.2f} {ends}: from there "
            "on texts lose themselves."
            + (f" {BEST_OF:g} is added as the best of {plan.goal.k} is taken." if several else "")
        )
    elif turns:
        sentence = f"Not enough budget: the entropy turns somewhere, {ends}. Keep your default, T = {plan.current:g}."
    else:
        sentence = (
            f"No suggestion: up to T = {chosen[-1]:g} the entropy of a step does not turn. Keep your default, "
            f"T = {plan.current:g}, or give expected answers or a grader."
        )
    return Recommendation(
        kind="more-budget" if turns and not usable else "label-free",
        sentence=sentence,
        notes=(
            "Nothing could be graded: the task has neither expected answers nor a grader. The turning point says where "
            "the model grows unsure of its own text, not where its answers are right.",
        ),
        params=Setting(t if usable else plan.current).params(plan.task.base(0)).as_dict(),
        low=turn.low if usable else None,
        high=turn.high if usable else None,
        confidence=plan.confidence,
        goal=plan.goal,
        curves=tuple(_curve(t, entropies[temperatures == t], clusters[temperatures == t], plan) for t in chosen),
        current=plan.current,
        model=identity,
        task=plan.task.name,
        prompts=len(prompts),
        held_out=0,
        samples=sum(one.samples for one in told),
        tokens=sum(one.tokens for one in told),
        seed=plan.seed,
    )


def _levels(entropies: np.ndarray, temperatures: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Return the mean entropy of each prompt at each temperature; prompts that lack one are left out."""
    cells = [
        [entropies[(clusters == name) & (temperatures == t) & (entropies > 0)] for t in np.unique(temperatures)]
        for name in np.unique(clusters)
    ]
    return np.array([[cell.mean() for cell in row] for row in cells if all(len(cell) for cell in row)])


def _curve(t: float, values: np.ndarray, clusters: np.ndarray, plan: TunePlan) -> CurvePoint:
    mean = t_mean(values, clusters, confidence=plan.confidence)
    low, high = (mean.value if np.isnan(v) else v for v in (mean.low, mean.high))
    return CurvePoint(
        measure="mean_entropy", temperature=t, believed=mean.value, low=low, high=high, measured=mean.value, n=mean.n
    )
