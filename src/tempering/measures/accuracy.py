"""Accuracy: how right answers are, one at a time, by vote and in the best of several. Knows graders, no questions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from tempering.errors import ParameterError
from tempering.measures.base import Measure, Samples, Values, of_cells
from tempering.measures.graders.base import Grader

SUBSETS = 2_000
"""Votes of k among n are counted over all subsets up to so many, else over so many drawn at random."""


def accuracy(samples: Samples) -> Values:
    """Return the grader's score of each completion; NaN where its prompt has no expected answer and needs one."""
    grader = samples.grader
    if grader is None:
        return np.full(len(samples.completions), math.nan)
    scores = []
    for completion in samples.completions:
        expected = samples.expected.get(completion.prompt_id, ())
        undefined = grader.needs_expected and not expected
        scores.append(math.nan if undefined else grader(completion.text, expected))
    return np.array(scores, dtype=np.float64)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Return the unbiased chance that one of k answers is right, when ``correct`` of n were.

    1 - C(n - c, k) / C(n, k), Chen et al. 2021, arXiv 2107.03374.

    Args:
        n: answers graded, >= 1.
        correct: how many of them are right, in 0..n.
        k: answers tried, in 1..n.

    Raises:
        ParameterError: a number is outside its range.

    Example:
        >>> pass_at_k(4, 1, 2)
        0.5
    """
    _check_k(n, k)
    if not 0 <= correct <= n:
        raise ParameterError(f"correct must be in 0..{n}, got {correct}", field="correct")
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def majority_at_k(answers: Sequence[str | None], scores: Sequence[float], k: int, *, seed: int = 0) -> float:
    """Return how right the most frequent of k answers is, on average over the subsets of k among those given.

    No answer (None) has no vote; ties are divided evenly among the answers that lead; a vote in which nobody answers
    scores 0. Wang et al. 2022, arXiv 2203.11171 (self-consistency).

    Args:
        answers: what each text answers, length n.
        scores: how right each is, in [0, 1], length n; equal answers count with their mean.
        k: votes, in 1..n.
        seed: of the subsets drawn where there are more than 2,000.

    Raises:
        ParameterError: k is outside 1..n.

    Example:
        >>> majority_at_k(["4", "4", "5"], [1, 1, 0], 3)
        1.0
        >>> round(majority_at_k(["4", "4", "5"], [1, 1, 0], 1), 6)
        0.666667
    """
    _check_k(len(answers), k)
    worth = {
        answer: float(np.mean([score for other, score in zip(answers, scores, strict=True) if other == answer]))
        for answer in set(answers)
    }
    if math.comb(len(answers), k) <= SUBSETS:
        votes: Sequence[Sequence[str | None]] = list(combinations(answers, k))
    else:
        generator = np.random.default_rng(seed)
        votes = [[answers[i] for i in generator.permutation(len(answers))[:k]] for _ in range(SUBSETS)]
    return math.fsum(_vote(vote, worth) for vote in votes) / len(votes)


def _vote(vote: Sequence[str | None], worth: dict[str | None, float]) -> float:
    counts = Counter(answer for answer in vote if answer is not None)
    most = max(counts.values(), default=0)
    leaders = [worth[answer] for answer, count in counts.items() if count == most]
    return math.fsum(leaders) / len(leaders) if leaders else 0.0


def _check_k(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ParameterError(f"k must be in 1..{n}, the number of answers, got {k}", field="k")


def _of_cells(k: int, value: Callable[[Grader, list[str], list[float]], float]) -> Callable[[Samples], Values]:
    """Return the measure that gives a cell of at least k graded completions a number."""

    def over(samples: Samples, indices: list[int]) -> float:
        cell = replace(samples, completions=tuple(samples.completions[index] for index in indices))
        scores = accuracy(cell)
        if samples.grader is None or np.isnan(scores).any():
            return math.nan
        return value(samples.grader, [completion.text for completion in cell.completions], scores.tolist())

    return of_cells(over, least=k)


def pass_at(k: int) -> Measure:
    """Return the measure pass@k: the chance that one of k answers is right, a value a cell.

    Example:
        >>> pass_at(4).name
        'pass@4'
    """
    return Measure(
        name=f"pass@{k}",
        title=f"One of {k} answers is right",
        criterion="accuracy",
        unit="share of questions",
        more="more questions that some answer gets right",
        low=0.0,
        high=1.0,
        validity="Unbiased. Only a full score counts as right. Says what choosing well among the answers could reach.",
        source="Chen et al. 2021, arXiv 2107.03374",
        function=_of_cells(k, lambda _, texts, scores: pass_at_k(len(texts), sum(s == 1 for s in scores), k)),
        needs=frozenset({"expected"}),
        better="higher",
        length="not affected",
    )


def majority_at(k: int) -> Measure:
    """Return the measure majority@k: how right the most frequent of k answers is, a value a cell.

    Example:
        >>> majority_at(8).name
        'majority@8'
    """
    return Measure(
        name=f"majority@{k}",
        title=f"The vote of {k} answers is right",
        criterion="accuracy",
        unit="share of questions",
        more="more questions that the most frequent answer gets right",
        low=0.0,
        high=1.0,
        validity="Unbiased over subsets of k. Needs answers that can be equal: choices and numbers, not essays.",
        source="Wang et al. 2022, arXiv 2203.11171",
        function=_of_cells(
            k, lambda grader, texts, scores: majority_at_k([grader.answer(text) for text in texts], scores, k)
        ),
        needs=frozenset({"expected"}),
        better="higher",
        length="not affected",
    )


ACCURACY = Measure(
    name="accuracy",
    title="Right answers",
    criterion="accuracy",
    unit="mean score of the grader",
    more="more right answers",
    low=0.0,
    high=1.0,
    validity="As good as the grader: read answers it refused. A text cut at the token limit may lack its answer.",
    source="graders of tempering.measures.graders",
    function=accuracy,
    needs=frozenset({"expected"}),
    better="higher",
    length="not affected",
)
