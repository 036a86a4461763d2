"""Answers a search by a model's texts: kept, graded and measured. Knows measures; knows nothing of search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tempering.errors import GoalError, GraderError
from tempering.generation.completion import Completion
from tempering.generation.request import Request
from tempering.measures import MEASURES, measure, measure_exists
from tempering.measures.accuracy import majority_at, pass_at
from tempering.measures.base import Samples
from tempering.measures.graders import make_grader
from tempering.measures.graders.base import Grader, normalised
from tempering.measures.training_text import shipped_filter_of
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.study.prompts import Prompt
from tempering.tuning.evaluator import Ask, Told
from tempering.tuning.goals import TASK_MEASURES, Goal, limits
from tempering.tuning.space import Setting
from tempering.tuning.task import TuneTask

POOLED = frozenset({"unique_word_share"})
"""Measures that compare a text with others: here with the texts of the grid, other noise only."""

Write = Callable[[Sequence[Request]], dict[tuple[str, SamplingParams, int], Completion]]
"""Requests in, completions out by prompt id, settings and sample; generated or remembered."""


LACKING: Mapping[str, str] = {
    "references": "texts of the kind that is wanted",
    "embeddings": "a model of embeddings",
    "judge": "a model that judges",
    "corpus_spans": "the whole training text",
}
"""What a measure may need that a tuning run never has."""


@dataclass(frozen=True)
class Provides:
    """What a model and task can tell.

    Attributes:
        logits: whether the model gives full logits.
        graded: whether answers can be graded.
        corpus: whether it is known what the model was trained on.
    """

    logits: bool
    graded: bool
    corpus: bool = False


def check_goal(goal: Goal, provides: Provides) -> None:
    """Check that every measure of a goal exists and can be measured here, before anything is spent.

    Raises:
        GoalError: a measure is unknown or cannot be had, or a bound asks for what the measure cannot be.
    """
    for name in goal.measures:
        if name in TASK_MEASURES:
            continue
        if not measure_exists(name):
            names = ", ".join([*(known.name for known in MEASURES), *TASK_MEASURES])
            raise GoalError(f"goal: there is no measure {name!r}; measures are {names}")
        needs = measure(name).needs
        if "expected" in needs and not provides.graded:
            raise GoalError(
                f"the goal needs {name}, and the task has neither expected answers nor a grader: give one of them "
                "(without both there is a suggestion by entropies, where a model with logits is to maximise accuracy)"
            )
        if needs & {"entropies", "reading", "model"} and not provides.logits:
            raise GoalError(f"the goal needs {name}, which takes full logits; a server gives text")
        if "corpus" in needs and not provides.corpus:
            raise GoalError(f"the goal needs {name}, and it is not known what this model was trained on")
        if "cells" in needs and goal.group < 2:
            raise GoalError(f"{name} compares texts of one prompt: give k, how many of them the application uses")
        if lacking := [text for need, text in LACKING.items() if need in needs]:
            raise GoalError(f"the goal needs {name}, which takes {lacking[0]}: tempering study can measure it")
    for bound in goal.bounds:
        low, high = limits(bound.measure)
        for asked in (bound.at_least, bound.at_most):
            if asked is not None and not low <= asked <= high:
                raise GoalError(f"no text can have {bound.measure} {asked:g}: it lies in [{low:g}, {high:g}]")


class ModelEvaluator:
    """Answers a search from a model's texts; see ``Evaluator``."""

    def __init__(
        self,
        task: TuneTask,
        goal: Goal,
        write: Write,
        *,
        seed: int,
        greedy_repeats: bool,
        model: LogitsModel | None = None,
    ) -> None:
        self.task, self.goal, self.seed = task, goal, seed
        self._write, self._greedy_repeats = write, greedy_repeats
        first, held = task.split(seed)
        self._all: tuple[Prompt, ...] = (*first, *held)
        self._searched = len(first)
        self._expected = {prompt.id: prompt.expected for prompt in self._all if prompt.expected}
        self._grader: Grader | None = make_grader(task.grader or "exact") if task.graded else None
        self._model = model
        self._corpus = shipped_filter_of(model.info.identity) if model else None
        self._pool: tuple[Completion, ...] = ()
        self._exemplars: dict[str, str] = {}

    @property
    def prompts(self) -> Sequence[int]:
        """Indices of the prompts to search with."""
        return range(self._searched)

    @property
    def held_out(self) -> Sequence[int]:
        """Indices of the prompts kept for the confirmation."""
        return range(self._searched, len(self._all))

    @property
    def cost(self) -> int:
        """Texts of one group: k, and two at least where answers are compared."""
        return self.goal.group

    def repeats(self, setting: Setting) -> bool:
        """Whether all texts of a prompt are the same there."""
        return self._greedy_repeats and setting.temperature == 0

    def evaluate(self, asks: Sequence[Ask]) -> list[Told]:
        """Generate what is missing, grade and measure."""
        wanted = [self._requests(ask) for ask in asks]
        done = self._write([request for requests in wanted for request in requests])
        groups = [[done[key_of_request(request)] for request in requests] for requests in wanted]
        if not self._pool and POOLED & set(self.goal.measures):
            self._pool = tuple(text for group in groups for text in group)
        self._greedy({ask.prompt for ask in asks})
        return [self._told(ask, group) for ask, group in zip(asks, groups, strict=True)]

    def _requests(self, ask: Ask) -> list[Request]:
        prompt, params = self._all[ask.prompt], ask.setting.params(self.task.base(self.seed))
        texts = [0] if self.repeats(ask.setting) else range(ask.group * self.cost, (ask.group + 1) * self.cost)
        return [Request(prompt.content, params, sample, prompt.id, self.task.max_tokens) for sample in texts]

    def _greedy(self, prompts: set[int]) -> None:
        """Write the greedy texts that a measure compares with, where one does."""
        others = [name for name in self.goal.measures if name not in TASK_MEASURES]
        if not any("exemplars" in measure(name).needs for name in others):
            return
        params = Setting(0.0).params(self.task.base(self.seed))
        missing = [self._all[i] for i in sorted(prompts) if self._all[i].id not in self._exemplars]
        requests = [Request(p.content, params, 0, p.id, self.task.max_tokens) for p in missing]
        for (name, _, _), completion in self._write(requests).items():
            self._exemplars[name] = completion.text

    def _told(self, ask: Ask, group: list[Completion]) -> Told:
        values: dict[str, float] = {}
        error = ""
        for name in self.goal.measures:
            try:
                values[name] = self._value(name, group)
            except GraderError as problem:
                values[name], error = math.nan, f"{group[0].prompt_id}, sample {group[0].sample}: {problem}"
        tokens = sum(text.token_count or 0 for text in group)
        return Told(ask, values, samples=len(group), tokens=tokens, error=error)

    def _value(self, name: str, group: list[Completion]) -> float:
        if name == "agreement":
            return self._agreement(group)
        if name == "surprise":
            known = [value for text in group if not math.isnan(value := _surprise(text))]
            return sum(known) / len(known) if known else math.nan
        found = measure(name)
        if name == "accuracy" and self.goal.k > 1:
            found = pass_at(self.goal.k) if self.goal.use == "best" else majority_at(self.goal.k)
            # A greedy text repeats: so many tries of it are worth one.
            group = group if len(group) > 1 else group * self.goal.k
        others = self._others(group) if name in POOLED else ()
        samples = Samples(
            (*group, *others),
            self._exemplars,
            self._expected,
            self._grader,
            corpus=self._corpus,
            model=self._model,
        )
        own = np.asarray(found.function(samples), np.float64)[: len(group)]
        return float(np.nanmean(own)) if not np.isnan(own).all() else math.nan

    def _others(self, group: list[Completion]) -> tuple[Completion, ...]:
        """Return the pool without what shares its noise with the group: such texts begin alike at near T."""
        mine = {(text.prompt_id, text.sample) for text in group}
        return tuple(text for text in self._pool if (text.prompt_id, text.sample) not in mine)

    def _agreement(self, group: list[Completion]) -> float:
        """Return the share of equal answers among pairs of texts."""
        if len(group) < 2:
            return 1.0
        answers = [self._grader.answer(text.text) if self._grader else normalised(text.text) for text in group]
        return float(np.mean([a is not None and a == b for a, b in combinations(answers, 2)]))


def _surprise(text: Completion) -> float:
    """Return the mean negative raw logprob of a token in nats; NaN where it is not known."""
    return -math.fsum(text.raw_logprobs) / len(text.raw_logprobs) if text.raw_logprobs else math.nan


def key_of_request(request: Request) -> tuple[str, SamplingParams, int]:
    """Return what a text is known by in a tuning run."""
    return request.prompt_id, request.params, request.sample
