"""The draw: a pure function of its arguments, by Gumbel noise or by one uniform number through the CDF."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.distribution import Processed, process
from tempering.sampling.noise import COIN, INVERSE, Keys, keys_of, one_each
from tempering.sampling.penalties import ContextLike
from tempering.sampling.pick import winners
from tempering.sampling.plan import pays, plan, rate_of
from tempering.sampling.rows import checked_rows, moments, native

METHODS = ("gumbel", "inverse")


@dataclass(frozen=True)
class Draws:
    """Tokens with what is known of them; arrays of shape [rows].

    Attributes:
        tokens: the ids drawn.
        raw_logprobs: log-probabilities under the untouched logits at T=1, nats.
        processed_logprobs: log-probabilities under the settings, nats.
        entropies: of the distribution under the settings, nats.
        state: the distribution itself; None where the draw did without it.
    """

    tokens: NDArray[np.int64]
    raw_logprobs: NDArray[np.float64]
    processed_logprobs: NDArray[np.float64]
    entropies: NDArray[np.float64]
    state: Processed | None = None


def choose(processed: Processed, noise: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the winning token of each row: the argmax of log-probability plus Gumbel noise, shape [rows].

    This is the definition; draws find the same token without most of the noise (``tempering.sampling.pick``).
    """
    return np.asarray((processed.logprobs + noise).argmax(axis=1), dtype=np.int64)


def invert(processed: Processed, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first token of each row, in the order of ids, at which the running mass exceeds u, shape [rows]."""
    running = np.cumsum(np.exp(processed.logprobs), axis=1)
    return np.asarray((running > u[:, None] * running[:, -1:]).argmax(axis=1), dtype=np.int64)


def draw(
    logits: ArrayLike,
    params: SamplingParams | None = None,
    *,
    seed: int | None = None,
    sequence: ArrayLike = 0,
    step: ArrayLike = 0,
    context: ContextLike = None,
    method: str = "gumbel",
) -> NDArray[np.int64]:
    """Draw one token a row.

    ``gumbel`` (Gumbel 1954; Maddison et al. 2014): argmax of log p + g is distributed as p. The noise depends only on
    (seed, sequence, step, token), so the same keys at another temperature give a paired draw, and neither the number of
    rows nor their order changes any of them. ``inverse``: one uniform number u a row, keyed by (seed, sequence, step),
    through the running sum of p in the order of ids; the fastest draw of a flat distribution, but texts at neighbouring
    temperatures part sooner.

    Args:
        logits: shape [..., vocab].
        params: the settings; T=1 without truncation unless given.
        seed: in [0, 2**64); ``params.seed`` unless given.
        sequence: which text, one number or one a row.
        step: which place in the text, one number or one a row.
        context: earlier tokens, for the penalties.
        method: ``gumbel`` or ``inverse``.

    Returns:
        Token ids, int64, shape [...].

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.
        ParameterError: a key is not a whole number in its range, or there is no such method.

    Example:
        >>> logits = [[2.0, 1.0, 0.5]] * 4
        >>> draw(logits, SamplingParams(temperature=2), seed=7, sequence=[0, 1, 2, 3])
        array([0, 1, 2, 0])
        >>> draw(logits[0], SamplingParams(temperature=2), seed=7, sequence=2)
        array(2)
    """
    params, shape = params or SamplingParams(), np.shape(logits)[:-1]
    keys = keys_of(params.seed if seed is None else seed, sequence, step, shape)
    return draw_rows(logits, params, keys, context=context, method=method, facts=False).tokens.reshape(shape)


def draw_rows(
    logits: ArrayLike,
    params: SamplingParams,
    keys: Keys,
    *,
    context: ContextLike = None,
    method: str = "gumbel",
    facts: bool = True,
    whole: bool = False,
) -> Draws:
    """Draw one token a row, with what generation notes of it.

    Large vocabularies go through compiled loops (``tempering.sampling.reduce``), and rows of which nothing is cut need
    no distribution; the tokens are the same.

    Args:
        logits: shape [..., vocab].
        params: the settings; the seed is that of the keys.
        keys: of the noise, one a row.
        context: earlier tokens, for the penalties.
        method: ``gumbel`` or ``inverse``.
        facts: whether logprobs and entropies are wanted; NaN where not.
        whole: whether the distribution itself is wanted.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: there is no such method.
    """
    if method not in METHODS:
        raise ParameterError(f"method must be one of {', '.join(METHODS)}, got {method!r}", field="method")
    shape, inverse = np.shape(logits), method == "inverse"
    if shape and (way := plan(params)) is not None:
        if pays(shape[-1]) and not whole:
            from tempering.sampling.reduce import Drawing, reduced_draw  # noqa: PLC0415 - loads the compiler

            if (drawn := reduced_draw(logits, Drawing(params, way, keys, inverse, facts), context)) is not None:
                return drawn
        if way.bare and not inverse and (rows := native(logits)) is not None:
            drawn = _bare_draw(rows, logits, params.temperature, keys, facts)
            return replace(drawn, state=process(logits, params)) if whole else drawn
    coins = one_each(keys, COIN) if "xtc" in params.active_steps() else None
    state = process(logits, params, context, coins)
    if inverse:
        tokens = invert(state, one_each(keys, INVERSE))
    else:
        tokens = winners(state.logprobs, keys, np.zeros(len(state.logprobs)), 1.0)
    if not facts:
        return Draws(tokens, *np.full((3, len(tokens)), np.nan))
    at = np.arange(len(tokens)), tokens
    return Draws(tokens, state.raw_logprobs[at], state.logprobs[at], state.entropy, state)


def _bare_draw(rows: NDArray[np.floating], logits: ArrayLike, temperature: float, keys: Keys, facts: bool) -> Draws:
    """Draw from rows of which nothing is cut, at a finite temperature; ``logits`` are the rows as they came."""
    best = rows.max(axis=1).astype(np.float64)
    if not np.isfinite(best).all():
        checked_rows(logits)
    tokens = winners(rows, keys, best, rate_of(temperature)) if temperature else rows.argmax(axis=1)
    raw, processed, entropies = np.full((3, len(rows)), np.nan)
    if facts:
        gap = rows[np.arange(len(rows)), tokens] - best
        total, first = moments(rows, best, 1.0)
        raw = gap - np.log(total)
        if temperature == 0:
            processed, entropies = np.zeros((2, len(rows)))
        else:
            total, first = (total, first) if temperature == 1 else moments(rows, best, temperature)
            log_z = np.log(total)
            processed, entropies = gap / temperature - log_z, np.maximum(log_z - first / total, 0.0)
    return Draws(tokens, raw, processed, entropies)
