"""What must be known beside an answer, a sentence each. Knows numbers and goals; knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tempering.measures import measure
from tempering.study.audit import Audit
from tempering.study.server_audit import ServerAudit
from tempering.tuning.confirm import ENOUGH, Confirmed
from tempering.tuning.goals import TASK_MEASURES, Goal
from tempering.tuning.space import Setting

FEW_PROMPTS = 5


def audit_note(audit: Audit | ServerAudit) -> str:
    """Return what the settings beside T do to what T can do; empty if they leave it its reach."""
    beside = " and ".join(f"{name} {value:g}" for name, value in audit.acting.items())
    if isinstance(audit, ServerAudit):
        return f"No request switches off: {audit.unsettable}; it may cap what T does." if audit.unsettable else ""
    if not audit.capped:
        return ""
    last = audit.capped[-1]
    same = f"{last.equivalent.value:.3g} [{last.equivalent.low:.3g}, {last.equivalent.high:.3g}]"
    return (
        f"Temperature is capped by {beside}: at T = {last.temperature:g} this setup is as random as T = {same} with "
        f"nothing else (n = {last.equivalent.n} steps)."
    )


def notes(goal: Goal, confirmed: Confirmed, errors: Sequence[str], prompts: int) -> Iterator[str]:
    """Yield what limits an answer: texts without a grade, proxies, prompts seen before, few prompts."""
    if errors:
        texts = "1 text" if len(errors) == 1 else f"{len(errors)} texts"
        yield f"{texts} could not be graded and left out; the first: {errors[0]}"
    if "agreement" in goal.measures:
        yield (
            "There are no expected answers: what was measured is how often two answers to a prompt are equal, a proxy. "
            "A model can be sure and wrong."
        )
    proxies = [n for n in goal.measures if n not in TASK_MEASURES and "proxy" in measure(n).validity.lower()]
    if proxies:
        yield f"A proxy is no reader ({', '.join(proxies)}): look at some texts before you trust it."
    if confirmed.unseen < confirmed.prompts:
        yield (
            f"Of the {confirmed.prompts} prompts of the confirmation the search had not seen {confirmed.unseen}; "
            f"from {ENOUGH} held-out prompts on, only those are used."
        )
    if prompts < FEW_PROMPTS:
        yield f"Prompts: {prompts}. What is found holds for them; little is known of others."


def sampler_note(winners: Mapping[str, Setting], sampler: str) -> str:
    """Return what a search over truncations tried, and whether one of them gained."""
    tried = "; ".join(f"{name}: {setting.shown()}" for name, setting in winners.items())
    gained = "no truncation gained anything that could be shown" if sampler == "temperature" else f"{sampler} gained"
    return f"Every sampler had the same budget (best of each: {tried}); {gained}."
