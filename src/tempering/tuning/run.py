"""Tune a model on a task: check, search, confirm, conclude, write down. Knows every part; knows nothing of pages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import NormalDist

import numpy as np

from tempering.models.base import LogitsModel, Model, TextModel
from tempering.study.audit import Audit, audit
from tempering.study.grid import with_automatic_temperatures
from tempering.study.plan import make_plan
from tempering.study.server_audit import ServerAudit, server_audit
from tempering.study.steps import real_steps
from tempering.study.store import write_atomically
from tempering.tuning.answer import CurvePoint, Fresh, Number, Recommendation, Role
from tempering.tuning.conclude import conclude
from tempering.tuning.confirm import ask_fresh, confirm, difference
from tempering.tuning.evaluator import Evaluator, Told
from tempering.tuning.fixed import why_fixed
from tempering.tuning.goals import Goal, limits
from tempering.tuning.measured import ModelEvaluator
from tempering.tuning.notes import audit_note, notes, sampler_note
from tempering.tuning.plan import CONFIRM, WITH_CURRENT, TunePlan, label_free, plan_spending, prepare
from tempering.tuning.search import Found, Seen, Step, search
from tempering.tuning.space import Setting, Space, make_space
from tempering.tuning.store import RECOMMENDATION, open_tuning
from tempering.tuning.suggest import ENTROPY, suggest

FINE = 33
"""Places at equal Fisher distance that the distances of a search are interpolated from."""

PILOT_PROMPTS, PILOT_TOKENS = 4, 8
"""The texts that these distances are read from: a rough idea is enough, and large vocabularies make it slow."""

AUDITED = 5
"""Temperatures, ends included, at which settings beside T are looked at."""


def tune(
    plan: TunePlan,
    model: Model,
    folder: Path,
    *,
    on_step: Callable[[Step], None] | None = None,
    on_text: Callable[[], None] = lambda: None,
    on_audit: Callable[[str], None] = lambda _: None,
) -> Recommendation:
    """Tune a model on a task; the same call after a kill goes on where it stopped and gives the same answer.

    Args:
        plan: what to do.
        model: writes the texts.
        folder: of the run; made if missing, and bound to task and model.
        on_step: told after every round of a search.
        on_text: called after every text.
        on_audit: told before the first text what the settings beside T do to it; nothing where they leave it its reach.

    Raises:
        GoalError: the goal cannot be measured here.
        ParameterError: the budget is too small for any answer.
        PlanError: the folder was begun with another task or model.
    """
    plan = prepare(plan, model)
    if isinstance(model, TextModel) and (why := why_fixed(plan, model)):
        answer = _fixed(plan, model.info.identity, why)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / RECOMMENDATION, answer.to_json())
        return answer
    if capped := audit_note(audit_task(plan, model)):
        on_audit(capped)
    with open_tuning(folder, plan.task, model, plan.seed, on_text) as store:
        graded = not label_free(plan, model)
        evaluator = ModelEvaluator(
            plan.task,
            plan.goal if graded else ENTROPY,
            store.write,
            seed=plan.seed,
            greedy_repeats=isinstance(model, LogitsModel),
            model=model if isinstance(model, LogitsModel) else None,
        )
        if graded:
            answer = recommend(plan, evaluator, model.info.identity, fisher_places(plan, model), on_step)
        else:
            answer = suggest(plan, evaluator, model.info.identity)
    if capped:
        answer = answer.model_copy(update={"notes": (*answer.notes, capped)})
    write_atomically(folder / RECOMMENDATION, answer.to_json())
    return answer


def recommend(
    plan: TunePlan,
    evaluator: Evaluator,
    identity: str,
    fisher: Sequence[float] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Recommendation:
    """Search with every sampler, confirm the winners on fresh texts, conclude; the model is its evaluator."""
    spending, goal = plan_spending(plan), plan.goal
    found: dict[str, tuple[Space, Found]] = {}
    for number, sampler in enumerate(plan.samplers):
        space = make_space(plan.task.temperatures, sampler, fisher)
        before = sum(one.seen.samples for _, one in found.values())

        def left(seen: Seen, before: int = before, number: int = number) -> int:
            tokens = sum(one.seen.tokens for _, one in found.values()) + seen.tokens
            total = plan.budget.samples(before + seen.samples, tokens)
            return round(total * (1 - CONFIRM) / len(plan.samplers) * (number + 1)) - before - seen.samples

        one = search(
            evaluator,
            goal,
            space,
            samples=spending.search,
            confidence=plan.confidence,
            seed=plan.seed + number,
            left=left if plan.budget.unit != "samples" else None,
            on_step=on_step,
        )
        found[sampler] = (space, one)
    winners = {name: space.settings[one.choice.best] for name, (space, one) in found.items()}
    space, one = found["temperature"]
    winner, contrast = winners["temperature"], _contrast(one, goal, space)
    settings = list(dict.fromkeys([*winners.values(), contrast]))
    current = space.settings[space.nearest(plan.current)]
    groups = spending.fresh // goal.group // len(settings)
    searched = space.temperatures.min() <= plan.current <= space.temperatures.max()
    if searched and current not in settings and spending.fresh // goal.group // (len(settings) + 1) >= WITH_CURRENT:
        settings.append(current)
        groups = spending.fresh // goal.group // len(settings)
    fresh = ask_fresh(evaluator, settings, groups=groups)
    sampler = _better_sampler(fresh, winners, goal, plan.confidence)
    winner, (space, one) = winners[sampler], found[sampler]
    confirmed = confirm(fresh, winner, contrast, goal, held_out=evaluator.held_out, confidence=plan.confidence)
    said = conclude(one, confirmed, goal, space, current=plan.current, confidence=plan.confidence)
    every = [told for _, searched in found.values() for told in searched.seen.told]
    every += [told for mine in fresh.values() for told in mine]
    errors = tuple(told.error for told in every if told.error)
    roles: dict[Setting, Role] = dict.fromkeys(fresh, "sampler")
    roles |= {current: "current"} if searched else {}
    roles |= {contrast: "contrast", winner: "recommended"}
    return Recommendation(
        kind=said.kind,
        sentence=said.sentence,
        notes=(
            *notes(goal, confirmed, errors, len(evaluator.prompts)),
            *((sampler_note(winners, sampler),) if len(winners) > 1 else ()),
        ),
        params=replace(winner, temperature=said.temperature).params(plan.task.base(0)).as_dict(),
        low=said.low,
        high=said.high,
        confidence=plan.confidence,
        sure=one.choice.sure,
        confirmed=said.confirmed,
        effect=Number.of(confirmed.effect),
        detectable=None if math.isnan(confirmed.detectable) else confirmed.detectable,
        more_samples=said.more_samples,
        goal=goal,
        fresh=tuple(
            Fresh(**asdict(setting), role=roles[setting], measure=name, estimate=Number.of(estimate, *limits(name)))
            for setting, row in confirmed.estimates.items()
            if setting in roles
            for name, estimate in row.items()
        ),
        curves=tuple(_curves(one, space, winner, goal)),
        current=plan.current,
        model=identity,
        task=plan.task.name,
        prompts=len(evaluator.prompts),
        held_out=len(evaluator.held_out),
        samples=sum(told.samples for told in every),
        tokens=sum(told.tokens for told in every),
        errors=errors,
        seed=plan.seed,
    )


def _contrast(found: Found, goal: Goal, space: Space) -> Setting:
    """Return the setting believed to be the worst: if T does anything, it shows there."""
    mean = sum(weight * found.beliefs[name].mean for name, weight in goal.objective.items())
    away = np.abs(space.temperatures - space.settings[found.choice.best].temperature)
    order = np.lexsort((-away, np.round(mean, 12)))
    worst = next(int(index) for index in order if index != found.choice.best)
    return space.settings[worst]


def _better_sampler(
    fresh: Mapping[Setting, Sequence[Told]], winners: Mapping[str, Setting], goal: Goal, confidence: float
) -> str:
    """Return T alone unless a truncation beats it on fresh texts, corrected for how many were tried (Bonferroni)."""
    best, gain = "temperature", 0.0
    corrected = 1 - (1 - confidence) / max(len(winners) - 1, 1)
    for name, setting in winners.items():
        if name == "temperature" or setting == winners["temperature"]:
            continue
        gap = difference(fresh[setting], fresh[winners["temperature"]], goal, confidence=corrected)
        if gap.low > 0 and gap.value > gain:
            best, gain = name, gap.value
    return best


def _curves(found: Found, space: Space, winner: Setting, goal: Goal) -> Iterator[CurvePoint]:
    """Yield what is believed at every T, at the winner's truncation."""
    for name in goal.measures:
        belief, means = found.beliefs[name], found.means[name]
        measured = {int(s): (float(m), int(n)) for s, m, n in zip(means.settings, means.mean, means.n, strict=True)}
        tail = NormalDist().inv_cdf(0.975)
        low, high = limits(name)
        for index, setting in enumerate(space.settings):
            if (setting.top_p, setting.min_p) == (winner.top_p, winner.min_p):
                mean, half = float(belief.mean[index]), tail * float(belief.deviation[index])
                value, n = measured.get(index, (None, 0))
                yield CurvePoint(
                    measure=name,
                    **asdict(setting),
                    believed=min(max(mean, low), high),
                    low=min(max(mean - half, low), high),
                    high=max(min(mean + half, high), low),
                    measured=value,
                    n=n,
                )


def audit_task(plan: TunePlan, model: Model) -> Audit | ServerAudit:
    """Return what the task's settings beside T do at a few of its temperatures, or what is known of a server's."""
    if isinstance(model, TextModel):
        return server_audit(plan.task.base(plan.seed), model.info.details)
    first, _ = plan.task.split(plan.seed)
    places = np.unique(np.linspace(0, len(plan.task.temperatures) - 1, AUDITED).round().astype(int))
    chosen = [plan.task.temperatures[place] for place in places]
    values = {"prompts": first, "temperatures": chosen, "seed": plan.seed, "params": plan.task.params}
    study = make_plan(values)
    return audit(real_steps(model, study, length=PILOT_TOKENS), study)


def fisher_places(plan: TunePlan, model: Model) -> Sequence[float] | None:
    """Return temperatures at equal Fisher distance on this model and task; None for a server, which gives no logits."""
    if not isinstance(model, LogitsModel):
        return None
    first, _ = plan.task.split(plan.seed)
    tokens = min(PILOT_TOKENS, plan.task.max_tokens)
    values = {"prompts": first[:PILOT_PROMPTS], "max_tokens": tokens, "seed": plan.seed, "params": plan.task.params}
    return with_automatic_temperatures(make_plan(values), FINE, max(plan.task.temperatures), model).temperatures


def _fixed(plan: TunePlan, identity: str, why: str) -> Recommendation:
    return Recommendation(
        kind="fixed",
        sentence=f"This model fixes its temperature: {why}. There is nothing to tune.",
        params=None,
        confidence=plan.confidence,
        goal=plan.goal,
        current=plan.current,
        model=identity,
        task=plan.task.name,
        prompts=0,
        held_out=0,
        samples=0,
        tokens=0,
        seed=plan.seed,
    )
