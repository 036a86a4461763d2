"""Real steps of a model: the logits along texts that it wrote. Knows models; knows nothing of what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tempering.generation.decode import Request, generate, read_prompt
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.sampling.penalties import Context
from tempering.study.plan import StudyPlan

PROMPTS = 8
LENGTH = 12
NUMBERS = 4_000_000
"""The most logits that are held at once: a large vocabulary gets fewer steps."""


@dataclass(frozen=True)
class Steps:
    """Logits at steps of real texts.

    Attributes:
        logits: untouched, shape [steps, vocab].
        prompts: the index of each step's prompt in the plan, shape [steps].
        contexts: the tokens before each step.
    """

    logits: NDArray[np.float32]
    prompts: NDArray[np.int64]
    contexts: tuple[Context, ...]


def real_steps(model: LogitsModel, plan: StudyPlan, *, prompts: int = PROMPTS, length: int = LENGTH) -> Steps:
    """Return the logits along one text of each of the first prompts, drawn at T=1 with nothing else.

    Args:
        model: gives the logits.
        plan: its prompts and seed.
        prompts: of how many prompts, >= 1.
        length: the most steps of a text, >= 1; fewer where the vocabulary is large or the text ends.

    Raises:
        PromptError: a prompt fills the model's context.
    """
    chosen = plan.prompts[:prompts]
    params = SamplingParams(seed=plan.seed)
    requests = [Request(prompt.content, params, 0, prompt.id, length) for prompt in chosen]
    texts = {completion.prompt_id: completion.tokens for completion in generate(model, requests)}
    most = max(1, NUMBERS // (len(chosen) * model.info.vocabulary))
    logits: list[NDArray[np.float32]] = []
    owners: list[int] = []
    contexts: list[Context] = []
    for index, prompt in enumerate(chosen):
        before = read_prompt(model, prompt.content).tokens
        drawn = texts[prompt.id]
        rows = model.score((*before, *drawn[:-1]))[len(before) - 1 :]
        places = np.unique(np.linspace(0, len(rows) - 1, min(most, length, len(rows))).round().astype(int))
        for place in places:
            logits.append(rows[place])
            owners.append(index)
            contexts.append(Context(tuple(before), tuple(drawn[:place])))
    return Steps(np.stack(logits), np.array(owners, dtype=np.int64), tuple(contexts))
