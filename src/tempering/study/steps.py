"""Real steps of a model: the logits along texts that it wrote. Knows models; knows nothing of what is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tempering.generation.decode import generate
from tempering.generation.prompts import read_prompt
from tempering.generation.request import Request
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.sampling.penalties import Context
from tempering.study.plan import StudyPlan

TEXTS, FEW = 8, 5
LENGTH = 12
NUMBERS = 4_000_000
"""The most logits that are held at once: a large vocabulary gets fewer steps."""


@dataclass(frozen=True)
class Steps:
    """Logits at steps of real texts.

    Attributes:
        logits: untouched, shape [steps, vocab].
        units: the index of each step's independent unit, shape [steps]: its prompt, or its text where there are fewer
            than ``FEW`` prompts, over which no interval says anything.
        contexts: the tokens before each step.
    """

    logits: NDArray[np.float32]
    units: NDArray[np.int64]
    contexts: tuple[Context, ...]


def real_steps(model: LogitsModel, plan: StudyPlan, *, texts: int = TEXTS, length: int = LENGTH) -> Steps:
    """Return the logits along texts of the first prompts, drawn at T=1 with nothing else.

    Args:
        model: gives the logits.
        plan: its prompts and seed.
        texts: how many, >= 1; one a prompt, or several of each where there are fewer prompts.
        length: the most steps of a text, >= 1; fewer where the vocabulary is large or the text ends.

    Raises:
        PromptError: a prompt fills the model's context.
    """
    chosen = plan.prompts[:texts]
    params = SamplingParams(seed=plan.seed)
    samples = max(1, texts // len(chosen))
    requests = [Request(p.content, params, sample, p.id, length) for p in chosen for sample in range(samples)]
    drawn = {(done.prompt_id, done.sample): done.tokens for done in generate(model, requests)}
    most = max(1, NUMBERS // (len(requests) * model.info.vocabulary))
    logits: list[NDArray[np.float32]] = []
    units: list[int] = []
    contexts: list[Context] = []
    for index, prompt in enumerate(chosen):
        before = read_prompt(model, prompt.content).tokens
        for sample in range(samples):
            tokens = drawn[prompt.id, sample]
            rows = model.score((*before, *tokens[:-1]))[len(before) - 1 :]
            places = np.unique(np.linspace(0, len(rows) - 1, min(most, length, len(rows))).round().astype(int))
            logits += [rows[place] for place in places]
            units += [index if len(chosen) >= FEW else index * samples + sample] * len(places)
            contexts += [Context(tuple(before), tuple(tokens[:place])) for place in places]
    return Steps(np.stack(logits), np.array(units, dtype=np.int64), tuple(contexts))
