"""Truncation: one rule each, from a distribution to its kept set. Knows nothing of the order they come in.

Every rule keeps at least one token of those that it is given, and its probabilities are those of the tokens kept so
far, renormalised. Tokens are ranked by logit descending, id ascending, so every kept set is determined even in a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.rows import Mask, Rows, entropy, log_softmax

TOLERANCE = 1e-12
"""How far a mass may fall short of a threshold that it equals on paper (rounding of sums in float64)."""


@dataclass(frozen=True)
class Step:
    """What a rule sees.

    Attributes:
        ranking: logits before temperature, [rows, vocab]: they rank tokens even where T = inf makes all equal.
        scores: logits after the steps so far (temperature among them or not), [rows, vocab].
        keep: the tokens kept so far, [rows, vocab].
    """

    ranking: Rows
    scores: Rows
    keep: Mask

    @cached_property
    def logprobs(self) -> Rows:
        """Log-probabilities over what is kept so far."""
        return log_softmax(self.scores, self.keep)

    @cached_property
    def by_rank(self) -> NDArray[np.intp]:
        """Token ids of each row, best first; dropped tokens last."""
        return np.argsort(np.where(self.keep, -self.ranking, np.inf), axis=1, kind="stable")


def _in_order(step: Step, order: NDArray[np.intp], count: NDArray[np.intp]) -> Mask:
    """Return the kept set that holds the first ``count`` ids of each row of ``order``, at least one."""
    kept = np.zeros_like(step.keep)
    places = np.arange(order.shape[1]) < np.maximum(count, 1)[:, None]
    np.put_along_axis(kept, order, places, axis=1)
    return kept & step.keep


def _prefix(step: Step, order: NDArray[np.intp], mass: float) -> Mask:
    """Return the smallest prefix of ``order`` whose mass reaches ``mass``; the token that crosses is kept."""
    total = np.cumsum(np.exp(np.take_along_axis(step.logprobs, order, axis=1)), axis=1)
    return _in_order(step, order, 1 + (total < mass - TOLERANCE).sum(axis=1))


def _with_best(step: Step, keep: Mask) -> Mask:
    np.put_along_axis(keep, step.by_rank[:, :1], True, axis=1)
    return keep & step.keep


def top_k(step: Step, k: float) -> Mask:
    """Keep the k best-ranked tokens; ties at the edge go to the lower id (Fan et al. 2018, arXiv 1805.04833)."""
    count = np.full(len(step.scores), min(int(k), step.scores.shape[1]))
    return _in_order(step, step.by_rank, count)


def top_p(step: Step, p: float) -> Mask:
    """Keep the smallest prefix of the ranked tokens with mass >= p (Holtzman et al. 2020, arXiv 1904.09751)."""
    return _prefix(step, step.by_rank, p)


def min_p(step: Step, share: float) -> Mask:
    """Keep tokens with probability >= share * largest probability (Nguyen et al. 2024, arXiv 2407.01082)."""
    best = step.logprobs.max(axis=1, keepdims=True)
    return _with_best(step, step.logprobs >= best + np.log(share) - TOLERANCE)


def typical_p(step: Step, mass: float) -> Mask:
    """Keep the tokens with surprisal nearest to the entropy, up to the mass (Meister et al. 2023, arXiv 2202.00666)."""
    distance = np.abs(-step.logprobs - entropy(step.logprobs)[:, None])
    ranked = np.take_along_axis(distance, step.by_rank, axis=1)
    # Sorted within the ranking, so that equally typical tokens stand by probability, then id.
    nearest = np.argsort(np.round(ranked, 12), axis=1, kind="stable")
    return _prefix(step, np.take_along_axis(step.by_rank, nearest, axis=1), mass)


def top_n_sigma(step: Step, n: float) -> Mask:
    """Keep logits >= max - n * standard deviation of the logits before T (Tang et al. 2024, arXiv 2411.07641).

    The population deviation over the tokens kept so far: masked tokens do not count, and T plays no part.
    """
    count = step.keep.sum(axis=1, keepdims=True)
    values = np.where(step.keep, step.ranking, 0.0)
    mean = values.sum(axis=1, keepdims=True) / count
    deviation = np.sqrt((np.where(step.keep, step.ranking - mean, 0.0) ** 2).sum(axis=1, keepdims=True) / count)
    best = np.where(step.keep, step.ranking, -np.inf).max(axis=1, keepdims=True)
    return _with_best(step, step.ranking >= best - n * deviation - TOLERANCE)


def epsilon(step: Step, least: float) -> Mask:
    """Keep tokens with probability >= least (Hewitt et al. 2022, arXiv 2210.15191)."""
    return _with_best(step, step.logprobs >= np.log(least) - TOLERANCE)


def eta(step: Step, least: float) -> Mask:
    """Keep tokens with probability >= min(least, sqrt(least) exp(-entropy)) (Hewitt et al. 2022, arXiv 2210.15191)."""
    floor = np.minimum(np.log(least), np.log(least) / 2 - entropy(step.logprobs))
    return _with_best(step, step.logprobs >= floor[:, None] - TOLERANCE)


RULES: Mapping[str, Callable[[Step, float], Mask]] = {
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
    "typical_p": typical_p,
    "top_n_sigma": top_n_sigma,
    "epsilon": epsilon,
    "eta": eta,
}
"""The rules by the name of their step and of their field in ``SamplingParams``."""
