"""The draw: Gumbel-max with counter-based noise, a pure function of its arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams
from tempering.sampling.distribution import Processed, process
from tempering.sampling.noise import gumbel
from tempering.sampling.penalties import ContextLike


def choose(processed: Processed, noise: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the winning token of each row: the argmax of log-probability plus Gumbel noise, shape [rows]."""
    return np.asarray((processed.logprobs + noise).argmax(axis=1), dtype=np.int64)


def draw(
    logits: ArrayLike,
    params: SamplingParams | None = None,
    *,
    seed: int | None = None,
    sequence: ArrayLike = 0,
    step: ArrayLike = 0,
    context: ContextLike = None,
) -> NDArray[np.int64]:
    """Draw one token a row.

    Gumbel-max (Gumbel 1954; Maddison et al. 2014): argmax of log p + g is distributed as p. The noise depends only on
    (seed, sequence, step, token), so the same keys at another temperature give a paired draw, and neither the number of
    rows nor their order changes any of them.

    Args:
        logits: shape [..., vocab].
        params: the settings; T=1 without truncation unless given.
        seed: in [0, 2**64); ``params.seed`` unless given.
        sequence: which text, one number or one a row.
        step: which place in the text, one number or one a row.
        context: earlier tokens, for the penalties.

    Returns:
        Token ids, int64, shape [...].

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.
        ParameterError: a key is not a whole number in its range.

    Example:
        >>> logits = [[2.0, 1.0, 0.5]] * 4
        >>> draw(logits, SamplingParams(temperature=2), seed=7, sequence=[0, 1, 2, 3])
        array([0, 1, 2, 0])
        >>> draw(logits[0], SamplingParams(temperature=2), seed=7, sequence=2)
        array(2)
    """
    params = params or SamplingParams()
    processed = process(logits, params, context)
    rows, vocabulary = processed.logprobs.shape
    keys = np.broadcast_arrays(np.asarray(sequence), np.asarray(step), np.empty(processed.leading))
    noise = gumbel(params.seed if seed is None else seed, keys[0], keys[1], vocabulary).reshape(rows, vocabulary)
    return choose(processed, noise).reshape(processed.leading)
