"""Mirostat v2: truncation steered so that the mean surprise stays near a target. Keeps no state of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
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
    np.put_along_axis(kept, step.best, True, axis=1)
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


def refuse_state(params: SamplingParams) -> None:
    """Check that nothing has to be carried from token to token.

    Raises:
        ParameterError: mirostat is on.
    """
    if params.mirostat_tau > 0:
        raise ParameterError(
            "mirostat carries a state from token to token, which a logits processor cannot: use tempering.generate",
            field="mirostat_tau",
        )
