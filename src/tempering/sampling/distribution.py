"""The distribution under given settings: an order's steps, applied one after the other. Knows nothing of noise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.adaptive import smooth, temperatures
from tempering.sampling.mirostat import first_mu, mirostat
from tempering.sampling.penalties import ContextLike, contexts_of, dry, penalise
from tempering.sampling.rows import Mask, Rows, checked_rows, entropy, log_softmax
from tempering.sampling.truncation import RULES, Step, xtc


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


Coins = NDArray[np.float64]
"""One uniform number a row, which decides whether XTC acts."""


def process(
    logits: ArrayLike, params: SamplingParams, context: ContextLike = None, coins: Coins | None = None
) -> Processed:
    """Apply every step of the order to logits, shape [..., vocab].

    Renormalisation is sequential: each rule sees the probabilities of what the rules before it have kept; the joint
    rules of an order all see those before the first of them.

    Args:
        logits: shape [..., vocab].
        params: the settings.
        context: earlier tokens, for the penalties, with the state of mirostat.
        coins: uniform numbers, shape [rows]: XTC acts where one is below its probability. Without them the result is
            the mean over the coin, which is the law of the draw.
    """
    raw, leading = checked_rows(logits)
    if coins is not None or "xtc" not in params.active_steps():
        return apply_steps(raw, leading, params, context=context, coins=coins)
    q = params.xtc_probability
    off, on = (
        apply_steps(raw, leading, params, context=context, coins=np.full(len(raw), coin)) for coin in (1.0, -1.0)
    )
    if q == 1:
        return on
    mean = np.logaddexp(off.logprobs + np.log1p(-q), on.logprobs + np.log(q))
    return Processed(raw, off.ranking, off.keep | on.keep, mean, leading)


def apply_steps(
    raw: Rows,
    leading: tuple[int, ...],
    params: SamplingParams,
    *,
    context: ContextLike = None,
    coins: Coins | None = None,
    done: Collection[str] = (),
) -> Processed:
    """Apply the steps of the order to checked rows, except those that are done; see ``process``."""
    active = set(params.active_steps()) - set(done)
    ranking = scores = raw
    keep = ~np.isneginf(raw)
    before_joint: Mask | None = None
    for name in params.steps:
        if name not in active:
            continue
        step = Step(ranking, scores, keep, params.top_p_edge, params.ties)
        if name == "penalties":
            ranking = scores = penalise(scores, params, context)
        elif name == "dry":
            ranking = scores = dry(scores, params, context)
        elif name == "smoothing":
            scores = smooth(scores, keep, params)
        elif name == "temperature":
            scores, keep = temper(scores, keep, temperatures(scores, keep, params))
        elif name == "xtc" and coins is not None:
            keep = np.where((coins < params.xtc_probability)[:, None], xtc(step, params.xtc_threshold), keep)
        elif name == "mirostat":
            mu = [first_mu(params) if seen.mu is None else seen.mu for seen in contexts_of(context, len(raw))]
            keep = mirostat(step, np.array(mu))
        elif name in params.joint:
            before_joint = keep if before_joint is None else before_joint
            keep = keep & RULES[name](replace(step, keep=before_joint), getattr(params, name))
        else:
            keep = RULES[name](step, getattr(params, name))
    return Processed(raw, ranking, keep, log_softmax(scores, keep), leading)


def temper(scores: Rows, keep: Mask, temperature: ArrayLike) -> tuple[Rows, Mask]:
    """Divide by the temperature: (score - max) / T, with its limits T=0 (first argmax) and T=inf (all equal).

    The maximum is subtracted first and the mask kept apart, so that no T overflows and -inf never meets inf.

    Args:
        scores: shape [rows, vocab].
        keep: the tokens kept so far, shape [rows, vocab].
        temperature: one, or one a row.
    """
    t = np.broadcast_to(np.asarray(temperature, dtype=np.float64), len(scores))[:, None]
    kept = np.where(keep, scores, -np.inf)
    gaps = np.where(keep, scores - kept.max(axis=1, keepdims=True), -np.inf)
    with np.errstate(all="ignore"):  # a T near 1e-308 sends all but the best to -inf, which is its limit
        divided = gaps / t
    divided = np.where((t == 0) | np.isinf(t), 0.0, divided)
    greedy = np.arange(keep.shape[1]) == kept.argmax(axis=1)[:, None]
    return divided, np.where(t == 0, greedy, keep)


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
