"""What a tuning run is to do and may spend, checked before anything is spent. Knows goals and tasks, writes no text."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tempering.errors import ParameterError
from tempering.measures.training_text import shipped_filter_of
from tempering.models.base import LogitsModel, Model
from tempering.statistics.power import detectable
from tempering.tuning.budget import Budget
from tempering.tuning.confirm import ENOUGH
from tempering.tuning.goals import Goal
from tempering.tuning.measured import Provides, check_goal
from tempering.tuning.search import GRID, LEAST, SMALL_GRID
from tempering.tuning.task import TuneTask

CONFIRM = 0.25
"""Share of the budget that is kept for the confirmation."""

WITH_CURRENT = 24
"""With so many fresh texts a setting, the default in use is confirmed beside the winner."""

FEWEST = 8
"""Texts at each of two settings below which nothing can be confirmed."""


@dataclass(frozen=True)
class TunePlan:
    """What a tuning run is to do.

    Attributes:
        task: prompts and settings.
        goal: what is wanted.
        budget: what may be spent.
        samplers: what is searched, each with an equal share: T alone, and truncations if wanted.
        current: the T in use now, which is kept where nothing speaks against it.
        confidence: of every interval, and to stop by, in (0, 1).
        seed: of all noise.
    """

    task: TuneTask
    goal: Goal
    budget: Budget
    samplers: tuple[str, ...] = ("temperature",)
    current: float = 1.0
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Spending:
    """What a run would spend, before it does.

    Attributes:
        samples: texts at most, all in all.
        search: of them, for each sampler's search.
        fresh: of them, for the confirmation.
        grid: settings of the first grid.
        tokens: tokens at most.
        prompts: prompts to search with.
        held_out: prompts for the confirmation alone.
        confirmed_on: prompts that the confirmation rests on.
        each: values of a setting there, about; of k texts each.
        visible: the smallest difference that it finds with a chance of 80 %, in standard deviations of that difference
            over prompts.
    """

    samples: int
    search: int
    fresh: int
    grid: int
    tokens: float
    prompts: int
    held_out: int
    confirmed_on: int
    each: int
    visible: float


def plan_spending(plan: TunePlan) -> Spending:
    """Return how the budget is divided.

    Raises:
        ParameterError: it is too small for any answer; the message says how much is needed.
    """
    total, share, cost = plan.budget.samples(), len(plan.samplers), plan.goal.group
    fewest = cost * (share * SMALL_GRID * LEAST + (1 + share) * FEWEST)
    if total < fewest:
        what = f", {plan.budget.amount:g} {plan.budget.unit} is {total}" if plan.budget.unit != "samples" else ""
        raise ParameterError(
            f"a budget of {total} texts is too small for any answer: at least {fewest} are needed{what}", field="budget"
        )
    fresh = max(cost * (1 + share) * FEWEST, round(CONFIRM * total))
    each = (total - fresh) // share
    first, held = plan.task.split(plan.seed)
    beside = fresh // cost // (share + 2) >= WITH_CURRENT
    values = fresh // cost // (share + 1 + beside)
    prompts = len(held) if len(held) >= ENOUGH else len(held) + len(first)
    units = min(values, prompts) if prompts > 1 else values
    return Spending(
        samples=total,
        search=each,
        fresh=fresh,
        grid=GRID if each // cost >= 12 * GRID else SMALL_GRID,
        tokens=min(plan.budget.token_limit, float(total * plan.task.max_tokens)),
        prompts=len(first),
        held_out=len(held),
        confirmed_on=min(values, prompts),
        each=values,
        visible=detectable(1 / math.sqrt(units), units - 1, alpha=1 - plan.confidence),
    )


def prepare(plan: TunePlan, model: Model) -> TunePlan:
    """Check a plan against a model and task, before anything is spent; the goal may fall back on agreement.

    Raises:
        GoalError: a measure of the goal cannot be had here, or a bound asks for what cannot be.
        ParameterError: the confidence is not in (0, 1), or the budget too small for any answer.
    """
    if not 0 <= plan.current < math.inf:
        raise ParameterError(
            f"the T in use must be a finite number of 0 or more, got {plan.current:g}", field="current"
        )
    if not 0 < plan.confidence < 1:
        raise ParameterError(f"confidence must be in (0, 1), got {plan.confidence:g}", field="confidence")
    goal, ungraded = plan.goal, not plan.task.graded
    if ungraded and goal.maximise == "accuracy" and goal.without_answers == "agreement":
        plan = replace(plan, goal=goal.model_copy(update={"maximise": "agreement", "k": 1}))
    if not label_free(plan, model):
        known = shipped_filter_of(model.info.identity) is not None
        check_goal(plan.goal, Provides(logits=isinstance(model, LogitsModel), graded=not ungraded, corpus=known))
    plan_spending(plan)
    return plan


def label_free(plan: TunePlan, model: Model) -> bool:
    """Whether there is nothing to grade, and the entropy must do."""
    return plan.goal.maximise == "accuracy" and not plan.task.graded and isinstance(model, LogitsModel)
