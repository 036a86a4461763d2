"""The draw: a pure function of its arguments, by Gumbel noise or by one uniform number through the CDF."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.distribution import Processed, process
from tempering.sampling.noise import COIN, INVERSE, gumbel, one_each, whole
from tempering.sampling.penalties import ContextLike
from tempering.sampling.plan import pays, plan

METHODS = ("gumbel", "inverse")


@dataclass(frozen=True)
class Draws:
    """Tokens with what is known of them; arrays of shape [rows].

    Attributes:
        tokens: the ids drawn.
        raw_logprobs: log-probabilities under the untouched logits at T=1, nats.
        processed_logprobs: log-probabilities under the settings, nats.
        entropies: of the distribution under the settings, nats.
        state: the distribution itself; None where compiled loops drew without making it.
    """

    tokens: NDArray[np.int64]
    raw_logprobs: NDArray[np.float64]
    processed_logprobs: NDArray[np.float64]
    entropies: NDArray[np.float64]
    state: Processed | None = None


def choose(processed: Processed, noise: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the winning token of each row: the argmax of log-probability plus Gumbel noise, shape [rows]."""
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
    keys = [
        np.broadcast_to(whole(name, value), shape).ravel() for name, value in (("sequence", sequence), ("step", step))
    ]
    drawn = draw_rows(logits, params, seed, *keys, context=context, method=method, facts=False)
    return drawn.tokens.reshape(shape)


def draw_rows(
    logits: ArrayLike,
    params: SamplingParams,
    seed: int | None,
    sequences: NDArray[np.uint64],
    steps: NDArray[np.uint64],
    *,
    context: ContextLike = None,
    method: str = "gumbel",
    noise: NDArray[np.float64] | None = None,
    facts: bool = True,
    whole: bool = False,
) -> Draws:
    """Draw one token a row, with what generation notes of it.

    Large vocabularies go through compiled loops, which give the same tokens (``tempering.sampling.reduce``).

    Args:
        logits: shape [..., vocab].
        params: the settings.
        seed: in [0, 2**64); ``params.seed`` unless given.
        sequences: which text, one a row.
        steps: which place in the text, one a row.
        context: earlier tokens, for the penalties.
        method: ``gumbel`` or ``inverse``.
        noise: the rows' Gumbel noise, [rows, vocab], if it is at hand.
        facts: whether logprobs and entropies are wanted; NaN where not.
        whole: whether the distribution itself is wanted, which compiled loops do not make.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: a key is outside its range, or there is no such method.
    """
    if method not in METHODS:
        raise ParameterError(f"method must be one of {', '.join(METHODS)}, got {method!r}", field="method")
    seed = params.seed if seed is None else seed
    if not 0 <= seed < 2**64:
        raise ParameterError(f"seed must be in [0, 2**64), got {seed}", field="seed")
    shape, inverse = np.shape(logits), method == "inverse"
    if noise is None and not whole and shape and pays(shape[-1]) and (way := plan(params)) is not None:
        from tempering.sampling.reduce import Drawing, reduced_draw  # noqa: PLC0415 - loads the compiler

        drawing = Drawing(params, way, seed, sequences, steps, inverse, facts)
        if (drawn := reduced_draw(logits, drawing, context)) is not None:
            return drawn
    coins = one_each(seed, sequences, steps, COIN) if "xtc" in params.active_steps() else None
    state = process(logits, params, context, coins)
    if inverse:
        tokens = invert(state, one_each(seed, sequences, steps, INVERSE))
    else:
        tokens = choose(state, gumbel(seed, sequences, steps, state.raw.shape[1]) if noise is None else noise)
    if not facts:
        unknown = np.full(len(tokens), np.nan)
        return Draws(tokens, unknown, unknown, unknown)
    at = np.arange(len(tokens)), tokens
    return Draws(tokens, state.raw_logprobs[at], state.logprobs[at], state.entropy, state)
