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

from tempering.orders import Edge
from tempering.sampling.rows import Mask, Rows, entropy, log_softmax, ranked

TOLERANCE = 1e-12
"""How far a mass may fall short of a threshold that it equals on paper (rounding of sums in float64)."""


@dataclass(frozen=True)
class Step:
    """What a rule sees.

    Attributes:
        ranking: logits before temperature, [rows, vocab]: they rank tokens even where T = inf makes all equal.
        scores: logits after the steps so far (temperature among them or not), [rows, vocab].
        keep: the tokens kept so far, [rows, vocab].
        edge: what top-p does with the token at its edge (``tempering.orders.Order``).
        ties: what top-k keeps of tokens tied at its edge, ``id`` or ``all``.
    """

    ranking: Rows
    scores: Rows
    keep: Mask
    edge: Edge = "reach"
    ties: str = "id"

    @cached_property
    def logprobs(self) -> Rows:
        """Log-probabilities over what is kept so far."""
        return log_softmax(self.scores, self.keep)

    @cached_property
    def by_rank(self) -> NDArray[np.intp]:
        """Token ids of each row, best first; dropped tokens last."""
        return ranked(self.ranking, self.keep)

    @property
    def best(self) -> NDArray[np.intp]:
        """The id of each row's best token, shape [rows, 1]."""
        best: NDArray[np.intp] = np.where(self.keep, self.ranking, -np.inf).argmax(axis=1, keepdims=True)
        return best


def _in_order(step: Step, order: NDArray[np.intp], count: NDArray[np.intp]) -> Mask:
    """Return the kept set that holds the first ``count`` ids of each row of ``order``, at least one."""
    kept = np.zeros_like(step.keep)
    places = np.arange(order.shape[1]) < np.maximum(count, 1)[:, None]
    np.put_along_axis(kept, order, places, axis=1)
    return kept & step.keep


def _prefix(step: Step, order: NDArray[np.intp], mass: float, edge: Edge = "reach") -> Mask:
    """Return the smallest prefix of ``order`` whose mass reaches ``mass``; ``edge`` moves its end."""
    total = np.cumsum(np.exp(np.take_along_axis(step.logprobs, order, axis=1)), axis=1)
    below = (total < mass - TOLERANCE if edge == "reach" else total <= mass + TOLERANCE).sum(axis=1)
    return _in_order(step, order, below if edge == "drop" else 1 + below)


def _with_best(step: Step, keep: Mask) -> Mask:
    np.put_along_axis(keep, step.best, True, axis=1)
    return keep & step.keep


def top_k(step: Step, k: float) -> Mask:
    """Keep the k best-ranked tokens (Fan et al. 2018, arXiv 1805.04833).

    Ties at the edge go to the lower id, or are all kept.
    """
    count = np.full(len(step.scores), min(int(k), step.scores.shape[1]))
    if step.ties == "all":
        ranked = np.take_along_axis(np.where(step.keep, step.ranking, -np.inf), step.by_rank, axis=1)
        return step.keep & (step.ranking >= ranked[:, count[:1] - 1])
    return _in_order(step, step.by_rank, count)


def top_p(step: Step, p: float) -> Mask:
    """Keep the smallest prefix of the ranked tokens with mass >= p (Holtzman et al. 2020, arXiv 1904.09751)."""
    return _prefix(step, step.by_rank, p, step.edge)


def min_p(step: Step, share: float) -> Mask:
    """Keep tokens with probability >= share * largest probability (Nguyen et al. 2024, arXiv 2407.01082)."""
    best = step.logprobs.max(axis=1, keepdims=True)
    return _with_best(step, step.logprobs >= best + np.log(share) - TOLERANCE)


def typical_p(step: Step, mass: float) -> Mask:
    """Keep the tokens with surprisal nearest to the entropy, up to the mass (Meister et al. 2023, arXiv 2202.00666)."""
    distance = np.abs(-step.logprobs - entropy(step.logprobs)[:, None])
    ranked = np.take_along_axis(distance, step.by_rank, axis=1)
    # Sorted within the ranking, so that equally typical tokens stand by probability, then id.
    # Beyond a distance of 1e6 nats no token has any mass, and rounding would overflow.
    nearest = np.argsort(np.round(np.minimum(ranked, 1e6), 12), axis=1, kind="stable")
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


def top_h(step: Step, share: float) -> Mask:
    """Grow the ranked set while its entropy is at most share * entropy (Potraghloo et al. 2025, arXiv 2509.02510).

    With S the mass of the set and h the sum of -p log p over it, its entropy after renormalising is log S + h / S.
    """
    ranked = np.take_along_axis(step.logprobs, step.by_rank, axis=1)
    p = np.exp(ranked)
    mass = np.cumsum(p, axis=1)
    own = np.cumsum(-p * np.where(p > 0, ranked, 0.0), axis=1)
    within = np.log(mass) + own / mass <= share * entropy(step.logprobs)[:, None] + TOLERANCE
    return _in_order(step, step.by_rank, np.logical_and.accumulate(within, axis=1).sum(axis=1))


def p_less(step: Step, _on: float = 1) -> Mask:
    """Keep tokens with p >= sum of p^2, the chance that two draws agree (Tan et al. 2025, arXiv 2509.23234)."""
    agree = np.log(np.exp(2 * step.logprobs).sum(axis=1, keepdims=True))
    return _with_best(step, step.logprobs >= agree - TOLERANCE)


def xtc(step: Step, threshold: float) -> Mask:
    """Drop every token with p >= threshold except the least likely of them (text-generation-webui, pull 6335).

    Nothing is dropped where fewer than two tokens reach the threshold. This is what happens when the coin falls so;
    how often it does, ``xtc_probability``, is decided in ``distribution.process``.
    """
    top = step.keep & (step.logprobs >= np.log(threshold) - TOLERANCE)
    spared = np.zeros_like(top)
    last = np.maximum(top.sum(axis=1) - 1, 0)[:, None]
    np.put_along_axis(spared, np.take_along_axis(step.by_rank, last, axis=1), True, axis=1)
    return np.asarray(step.keep & (~top | spared))


RULES: Mapping[str, Callable[[Step, float], Mask]] = {
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
    "typical_p": typical_p,
    "top_n_sigma": top_n_sigma,
    "epsilon": epsilon,
    "eta": eta,
    "top_h": top_h,
    "p_less": p_less,
}
"""The rules of one number, by the name of their step and of their field in ``SamplingParams``."""
