"""Mirostat v2: truncation steered so that the mean surprise stays near a target. Keeps no state of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams
from tempering.sampling.rows import Mask
from tempering.sampling.truncation import TOLERANCE, Step


def first_mu(params: SamplingParams) -> float:
    """Return the bound on surprise at the first token: 2 tau, in bits."""
    return 2 * params.mirostat_tau


def mirostat(step: Step, mu: NDArray[np.float64]) -> Mask:
    """Keep tokens with surprise -log2 p <= mu, the best always (Basu et al. 2021, arXiv 2007.14966, algorithm 2).

    Args:
        step: what a rule sees.
        mu: the bound on surprise of each row in bits, shape [rows].
    """
    kept = step.logprobs >= -(mu[:, None] + TOLERANCE) * np.log(2)
    np.put_along_axis(kept, step.by_rank[:, :1], True, axis=1)
    return np.asarray(kept & step.keep)


def next_mu(
    mu: float | NDArray[np.float64], processed_logprob: ArrayLike, params: SamplingParams
) -> NDArray[np.float64]:
    """Return the bound for the next token: mu - eta (surprise - tau).

    Args:
        mu: the bound that the token was drawn under, in bits; any shape.
        processed_logprob: log-probability in nats of the token drawn, under the settings; the same shape.
        params: the settings, with ``mirostat_tau`` and ``mirostat_eta``.

    Example:
        >>> params = SamplingParams(mirostat_tau=3, mirostat_eta=0.1)
        >>> float(next_mu(first_mu(params), np.log(1 / 4), params))
        6.1
    """
    surprise = -np.asarray(processed_logprob, dtype=np.float64) / np.log(2)
    return np.asarray(mu - params.mirostat_eta * (surprise - params.mirostat_tau), dtype=np.float64)


def mu_after(processed_logprobs: Sequence[float], params: SamplingParams) -> float:
    """Return the bound for the token after a text, from the processed logprobs of its tokens.

    Example:
        >>> round(mu_after([-0.7, -2.1], SamplingParams(mirostat_tau=3)), 3)
        6.196
    """
    mu = np.float64(first_mu(params))
    for logprob in processed_logprobs:
        mu = mu - params.mirostat_eta * (-logprob / np.log(2) - params.mirostat_tau)
    return float(mu)
