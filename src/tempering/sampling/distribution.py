"""The distribution under given settings: an order's steps, applied one after the other. Knows nothing of noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.penalties import ContextLike, penalise
from tempering.sampling.rows import Mask, Rows, checked_rows, entropy, log_softmax
from tempering.sampling.truncation import RULES, Step


@dataclass(frozen=True)
class Processed:
    """Rows of logits after every step.

    Attributes:
        raw: the untouched logits, float64 [rows, vocab].
        ranking: logits after penalties, before temperature, [rows, vocab].
        keep: the kept set, [rows, vocab].
        logprobs: log-probabilities over the kept set, -inf elsewhere, [rows, vocab].
        leading: the shape that the rows had before vocab.
    """

    raw: Rows
    ranking: Rows
    keep: Mask
    logprobs: Rows
    leading: tuple[int, ...]

    @cached_property
    def raw_logprobs(self) -> Rows:
        """Log-probabilities of the untouched logits at T=1."""
        return log_softmax(self.raw, ~np.isneginf(self.raw))

    @cached_property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy in nats of each row, shape [rows]."""
        return entropy(self.logprobs)


def process(logits: ArrayLike, params: SamplingParams, context: ContextLike = None) -> Processed:
    """Apply every step of the order to logits, shape [..., vocab].

    Renormalisation is sequential: each rule sees the probabilities of what the rules before it have kept.
    """
    raw, leading = checked_rows(logits)
    active = set(params.active_steps())
    ranking = scores = raw
    keep = ~np.isneginf(raw)
    for name in params.steps:
        if name not in active:
            continue
        if name == "penalties":
            ranking = scores = penalise(scores, params, context)
        elif name == "temperature":
            scores, keep = temper(scores, keep, params.temperature)
        else:
            keep = RULES[name](Step(ranking, scores, keep), getattr(params, name))
    return Processed(raw, ranking, keep, log_softmax(scores, keep), leading)


def temper(scores: Rows, keep: Mask, temperature: float) -> tuple[Rows, Mask]:
    """Divide by the temperature: (score - max) / T, with its limits T=0 (first argmax) and T=inf (all equal).

    The maximum is subtracted first and the mask kept apart, so that no T overflows and -inf never meets inf.
    """
    kept = np.where(keep, scores, -np.inf)
    if temperature == 0:
        only = np.zeros_like(keep)
        np.put_along_axis(only, kept.argmax(axis=1)[:, None], True, axis=1)
        return scores, only
    if np.isinf(temperature):
        return np.zeros_like(scores), keep
    with np.errstate(over="ignore"):  # a T near 1e-308 sends all but the best to -inf, which is its limit
        return (kept - kept.max(axis=1, keepdims=True)) / temperature, keep


def distribution(
    logits: ArrayLike, params: SamplingParams | None = None, context: ContextLike = None
) -> NDArray[np.float64]:
    """Return the probabilities that a token is drawn with.

    p = softmax((z - max z) / T) over the kept set of the order's rules, renormalised; 0 elsewhere.

    Args:
        logits: shape [..., vocab]; any float type; -inf masks a token.
        params: the settings; T=1 without truncation unless given.
        context: earlier tokens, for the penalties: a ``Context``, one a row, or ids (which count as generated).

    Returns:
        Probabilities, float64, shape [..., vocab]; each row lies in [0, 1] and sums to 1.

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.
        ParameterError: contexts do not fit the rows.

    Example:
        >>> distribution([3.0, 2.0, 1.0, 0.0], SamplingParams(temperature=2, top_p=0.8)).round(3)
        array([0.506, 0.307, 0.186, 0.   ])
        >>> distribution([1.0, 3.0, 3.0], SamplingParams(temperature=0))
        array([0., 1., 0.])
    """
    processed = process(logits, params or SamplingParams(), context)
    return np.exp(processed.logprobs).reshape(*processed.leading, processed.raw.shape[1])


@dataclass(frozen=True)
class Logprobs:
    """Log-probabilities of tokens in nats, never mixed up.

    Attributes:
        raw: under the untouched logits at T=1, shape [...].
        processed: under the settings, shape [...]; -inf for a token outside the kept set.
    """

    raw: NDArray[np.float64]
    processed: NDArray[np.float64]


def logprob(
    logits: ArrayLike, tokens: ArrayLike, params: SamplingParams | None = None, context: ContextLike = None
) -> Logprobs:
    """Return the raw and the processed log-probability of given tokens.

    Args:
        logits: shape [..., vocab].
        tokens: ids, shape [...] (the leading shape of the logits).
        params: the settings of ``processed``.
        context: as in ``distribution``.

    Raises:
        LogitsError: see ``distribution``.
        ParameterError: the shape of tokens does not fit, or an id lies outside the vocabulary.

    Example:
        >>> pair = logprob([0.0, 0.0, 0.0, 0.0], 2, SamplingParams(top_k=3))
        >>> float(np.exp(pair.raw)), float(np.exp(pair.processed).round(6))
        (0.25, 0.333333)
    """
    processed = process(logits, params or SamplingParams(), context)
    ids = np.asarray(tokens)
    if ids.shape != processed.leading or ids.dtype.kind not in "iu":
        raise ParameterError(
            f"tokens must be ids of shape {list(processed.leading)}, got {ids.dtype} of shape {list(ids.shape)}",
            field="tokens",
        )
    vocabulary = processed.raw.shape[1]
    if ids.size and not 0 <= ids.min() <= ids.max() < vocabulary:
        raise ParameterError(f"tokens must be ids in [0, {vocabulary})", field="tokens")
    column = ids.reshape(-1, 1).astype(np.intp)
    raw, own = (np.take_along_axis(values, column, axis=1) for values in (processed.raw_logprobs, processed.logprobs))
    return Logprobs(raw.reshape(ids.shape), own.reshape(ids.shape))
