"""What a measure is: a number for each completion, with what is known of it. Knows nothing of temperature or files."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion
from tempering.measures.language import MEASURED, language_of
from tempering.measures.words import beginning, windows, words

if TYPE_CHECKING:
    from tempering.measures.corpus import TrainingText
    from tempering.measures.embeddings import Embedder
    from tempering.measures.graders.base import Grader
    from tempering.measures.judge import Judge
    from tempering.models.base import LogitsModel

Values = NDArray[np.float64]

NEEDS: Mapping[str, str] = {
    "exemplars": "the greedy text of each prompt",
    "logprobs": "the raw logprobs of the tokens drawn, which some servers do not give",
    "entropies": "the entropy of every step, which takes full logits",
    "expected": "prompts with expected answers, or a grader that needs none",
    "language": "texts in English or Portuguese",
    "english": "texts in English",
    "cells": "two or more samples of a cell",
    "corpus": "the text that the model was trained on",
    "corpus_spans": "the text that the model was trained on, searched in full",
    "reading": "the logits of the model along the texts",
    "model": "the model itself, to read the texts again",
    "references": "texts of the kind that is wanted",
    "embeddings": "a model of embeddings",
    "judge": "a model that judges",
}
"""What a measure may need besides texts, by the names in ``Measure.needs``."""

BUDGET, CHARACTERS, READ = 50, 400, 500
"""Texts are compared at equal length: so many words, or characters, or words that a model reads; see ``common``."""

WHOLE = "the first 500 words, or fewer where the texts of a study are shorter"
HEAD = "the first 50 words, or fewer where the texts of a study are shorter"
WINDOWS = "in windows of 50 words, or fewer where the texts of a study are shorter"


def common(lengths: Iterable[int], most: int) -> int:
    """Return the length at which texts are compared: ``most``, or what 19 of 20 have, or half the median.

    The larger of the last two, so that a few empty texts do not leave all others a word; at least 1.

    Example:
        >>> common([80, 70, 90], 50), common([30, 40, 42], 50), common([0, 0, 40, 40, 40], 50), common([], 50)
        (50, 30, 20, 50)
    """
    known = sorted(lengths)
    return max(1, min(most, max(known[len(known) // 20], known[len(known) // 2] // 2))) if known else most


@dataclass(frozen=True)
class Samples:
    """Completions that are looked at together, usually all of a study.

    Attributes:
        completions: the texts; measures that compare texts compare these.
        exemplars: for each prompt id, the text of its greedy completion.
        expected: for each prompt id, the answers that count as right.
        grader: tells how right a text is; None where nothing is to be graded.
        corpus: what the model was trained on, as far as it is known.
        model: the model that wrote the texts, to read them again.
        read: what the model said of texts that it has read again, by prompt id, temperature and sample.
        references: texts of the kind that is wanted.
        embed: texts to vectors.
        judge: a model that answers questions about a text.
    """

    completions: tuple[Completion, ...]
    exemplars: Mapping[str, str] = field(default_factory=dict)
    expected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    grader: Grader | None = None
    corpus: TrainingText | None = None
    model: LogitsModel | None = None
    references: tuple[str, ...] = ()
    embed: Embedder | None = None
    judge: Judge | None = None
    read: Mapping[tuple[str, float, int], Mapping[str, float]] = field(default_factory=dict)

    @property
    def provides(self) -> frozenset[str]:
        """What is there of ``NEEDS``.

        Example:
            >>> sorted(Samples((), {"p": "Once upon a time"}).provides)
            ['exemplars']
        """
        answers = self.grader is not None and (any(self.expected.values()) or not self.grader.needs_expected)
        there = {
            "exemplars": bool(self.exemplars),
            "logprobs": any(completion.raw_logprobs for completion in self.completions),
            "entropies": any(completion.entropies for completion in self.completions),
            "expected": answers,
            "language": any(language in MEASURED for language in self.languages.values()),
            "english": "English" in self.languages.values(),
            "cells": any(len(indices) > 1 for indices in self.cells().values()),
            "corpus": self.corpus is not None,
            "corpus_spans": hasattr(self.corpus, "matches"),
            "reading": self.model is not None or bool(self.read),
            "model": self.model is not None,
            "references": bool(self.references),
            "embeddings": self.embed is not None,
            "judge": self.judge is not None,
        }
        return frozenset(name for name, given in there.items() if given)

    @cached_property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The words of each completion."""
        return tuple(tuple(words(completion.text)) for completion in self.completions)

    @cached_property
    def budget(self) -> int:
        """How many words are compared where length matters: 50 if the texts have them, see ``common``."""
        return common(map(len, self.words), BUDGET)

    @cached_property
    def characters(self) -> int:
        """How many characters are compared where length matters: 400 if the texts have them, see ``common``."""
        return common((len(completion.text) for completion in self.completions), CHARACTERS)

    @cached_property
    def reach(self) -> int:
        """How many words a model that judges or embeds reads: 500 if the texts have them, see ``common``."""
        return common(map(len, self.words), READ)

    @cached_property
    def heads(self) -> tuple[tuple[str, ...] | None, ...]:
        """The first ``budget`` words of each completion; None for one that has fewer."""
        return tuple(own[: self.budget] if len(own) >= self.budget else None for own in self.words)

    def begin(self, text: str) -> str | None:
        """Return what a model reads of a text: its first ``reach`` words; None if it has fewer.

        Characters, twice as many, where no text has words that can be told apart.
        """
        if any(self.words):
            return beginning(text, self.reach) if len(words(text)) >= self.reach else None
        size = common((len(completion.text) for completion in self.completions), 2 * READ)
        return text[:size] if len(text) >= size else None

    @cached_property
    def begun(self) -> tuple[str | None, ...]:
        """What a model reads of each completion, see ``begin``."""
        return tuple(self.begin(completion.text) for completion in self.completions)

    @cached_property
    def readings(self) -> Mapping[str, Values]:
        """What the model says of each text when it reads it again, by name: computed once for all measures."""
        from tempering.measures.rereading import read_again  # noqa: PLC0415 - it is built on this module

        return read_again(self)

    @cached_property
    def languages(self) -> Mapping[str, str | None]:
        """The language of each prompt's texts, taken together with its exemplar; None where it is not recognised."""
        texts: dict[str, list[str]] = {}
        for completion in self.completions:
            name = completion.prompt_id
            texts.setdefault(name, [self.exemplars.get(name, "")]).append(completion.text)
        return {name: language_of(own) for name, own in texts.items()}

    def cells(self) -> dict[Hashable, list[int]]:
        """Return the indices of the completions of each cell, in order of first appearance."""
        found: dict[Hashable, list[int]] = {}
        for index, completion in enumerate(self.completions):
            found.setdefault((completion.prompt_id, completion.params), []).append(index)
        return found


CRITERIA = (
    "accuracy",
    "novelty",
    "typicality",
    "cohesion",
    "coherence",
    "predictability",
    "diversity",
    "degeneration",
    "length",
)
"""What measures are about, in the order of a report."""


@dataclass(frozen=True)
class Measure:
    """A number for each completion.

    Attributes:
        name: the key in tables and files.
        title: what a reader sees.
        criterion: what it is about, one of ``CRITERIA``.
        unit: of the values.
        more: what a higher value means.
        low: the smallest possible value.
        high: the largest possible value.
        validity: what is known of its worth; a proxy says that it is one.
        source: where the definition comes from.
        function: samples in, one value a completion out; NaN where undefined. A value that belongs to a whole cell
            stands at the cell's first completion, so that n counts cells.
        needs: what it needs besides texts, names of ``NEEDS``; nothing unless given.
        better: the direction of quality, where there is one; None where more is only more.
        length: how it stands to the length of a text.
    """

    name: str
    title: str
    criterion: str
    unit: str
    more: str
    low: float
    high: float
    validity: str
    source: str
    function: Callable[[Samples], Values]
    needs: frozenset[str] = frozenset()
    better: Literal["higher", "lower"] | None = None
    length: str = "not known"


def each(function: Callable[[Completion], float]) -> Callable[[Samples], Values]:
    """Return the measure that looks at one completion at a time."""

    def over(samples: Samples) -> Values:
        return np.array([function(completion) for completion in samples.completions], dtype=np.float64)

    return over


def windowed(function: Callable[[Sequence[str]], float]) -> Callable[[Samples], Values]:
    """Return the measure that looks at words in windows of equal length, their mean; NaN for a text below one window.

    Args:
        function: from the words of a window to a number; NaN where it is too short.
    """

    def over(samples: Samples) -> Values:
        parts = (list(windows(own, samples.budget)) for own in samples.words)
        return np.array([math.fsum(map(function, own)) / len(own) if own else math.nan for own in parts])

    return over


def of_cells(function: Callable[[Samples, list[int]], float], *, least: int = 2) -> Callable[[Samples], Values]:
    """Return the measure that gives a cell a number, at its first completion; NaN elsewhere.

    Args:
        function: from the samples and the indices of a cell to its number.
        least: how many completions a cell needs, >= 1.
    """

    def over(samples: Samples) -> Values:
        out = np.full(len(samples.completions), np.nan)
        for indices in samples.cells().values():
            if len(indices) >= least:
                # The first by sample index, so that the order in which completions stand does not matter.
                first = min(indices, key=lambda index: samples.completions[index].sample)
                out[first] = function(samples, indices)
        return out

    return over
