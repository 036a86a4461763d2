"""Whether a server lets T be set at all, asked before anything is spent on a search. Knows models that give text."""

from __future__ import annotations

from tempering.errors import GoalError, ServerError
from tempering.generation.completion import Completion
from tempering.generation.decode import generate
from tempering.generation.request import Request
from tempering.models.base import TextModel
from tempering.tuning.plan import TunePlan
from tempering.tuning.space import Setting

REFUSALS = frozenset({400, 422})
ASKED, TOKENS = 6, 24
COLD = 0.1
"""Up to this T a server that honours it repeats itself."""


def why_fixed(plan: TunePlan, model: TextModel) -> str | None:
    """Return why no temperature can be chosen on this server; None if one can.

    A few short texts of the first prompt: are other temperatures than 1 refused, and do texts at the lowest T repeat?

    Raises:
        GoalError: some temperatures are refused and others not: the search must stay among those; or the goal needs
            logprobs that the server does not tell.
        ServerError: it cannot be reached, or answers what cannot be read.
    """
    lowest, highest = min(plan.task.temperatures), max(plan.task.temperatures)
    refused: dict[float, str] = {}
    cold: list[str] = []
    for t in dict.fromkeys((1.0, lowest, (lowest + highest) / 2, highest)):
        try:
            texts = _texts(plan, model, t, ASKED if t == lowest else 1)
        except ServerError as problem:
            if problem.status not in REFUSALS:
                raise
            refused[t] = str(problem)
        else:
            cold = [text.text for text in texts] if t == lowest else cold
            if "surprise" in plan.goal.measures and any(text.raw_logprobs is None for text in texts):
                raise GoalError("the goal needs surprise, which takes raw logprobs, and this server tells none")
    if refused and 1.0 not in refused and len(refused) == len({lowest, (lowest + highest) / 2, highest} - {1.0}):
        return f"it refuses every other T than 1 ({next(iter(refused.values()))})"
    if refused:
        listed = ", ".join(f"{t:g}" for t in refused)
        raise GoalError(f"the server refuses T = {listed} ({next(iter(refused.values()))}); choose others with -T")
    if lowest <= COLD and len(set(cold)) == len(cold):
        return f"{len(cold)} texts at T = {lowest:g} are all different: the server does not do what it is told"
    return None


def _texts(plan: TunePlan, model: TextModel, t: float, count: int) -> list[Completion]:
    prompt, tokens = plan.task.prompts[0], min(TOKENS, plan.task.max_tokens)
    params = Setting(t).params(plan.task.base(plan.seed))
    requests = [Request(prompt.content, params, sample, prompt.id, tokens) for sample in range(count)]
    return list(generate(model, requests))
