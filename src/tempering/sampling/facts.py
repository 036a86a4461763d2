"""Facts of a distribution in closed form: entropy, log Z, their derivatives by T, and what truncation leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams
from tempering.sampling.distribution import process
from tempering.sampling.penalties import ContextLike
from tempering.sampling.rows import Mask, Rows
from tempering.sampling.truncation import TOLERANCE

CORE_MASS = 0.90
BODY_MASS = 0.95

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Facts:
    """What can be known of a distribution from its logits; every array has the leading shape of the logits.

    All are facts of the distribution drawn from: over the kept set, at T. Derivatives hold the kept set fixed.

    Attributes:
        entropy: H = log Z - <z>/T, nats.
        choices: exp(H): as random as a fair choice among so many tokens.
        log_z: log of the sum of exp(z/T) over the kept set (at T=0 its limit, +inf or -inf by the sign of max z).
        mean_logit: <z>, the mean logit at T.
        variance: Var(z), the variance of the logits at T.
        entropy_slope: dH/dT = Var(z) / T^3, nats per unit of T.
        heat_capacity: Var(z) / T^2.
        fisher_information: of T: Var(z) / T^4.
        leak_mass: mass outside the smallest set with 90 % of the raw distribution at T=1 (arXiv 2606.01451).
        n95: how many tokens hold 95 % of the mass (arXiv 2606.01451).
        kept: the kept set, bool [..., vocab].
        kept_count: how many tokens are kept.
        kept_mass: mass of the kept set at T before truncation.
    """

    entropy: Values
    choices: Values
    log_z: Values
    mean_logit: Values
    variance: Values
    entropy_slope: Values
    heat_capacity: Values
    fisher_information: Values
    leak_mass: Values
    n95: NDArray[np.int64]
    kept: Mask
    kept_count: NDArray[np.int64]
    kept_mass: Values


def facts(logits: ArrayLike, params: SamplingParams | None = None, context: ContextLike = None) -> Facts:
    """Return the facts of the distribution under the settings.

    Args:
        logits: shape [..., vocab].
        params: the settings; T=1 without truncation unless given.
        context: earlier tokens, for the penalties.

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.

    Example:
        >>> known = facts([0.0, 0.0, 0.0, 0.0], SamplingParams(temperature=0.5))
        >>> float(known.choices.round(9)), float(known.variance), int(known.n95)
        (4.0, 0.0, 4)
    """
    params = params or SamplingParams()
    temperature = params.temperature
    state = process(logits, params, context)
    p = np.exp(state.logprobs)
    z = np.where(state.keep, state.ranking, 0.0)
    mean = (p * z).sum(axis=1)
    variance = (p * (z - mean[:, None]) ** 2).sum(axis=1)
    untruncated = process(state.ranking, SamplingParams(temperature=temperature))

    def back(values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values.reshape(state.leading))

    numbers = {
        "entropy": state.entropy,
        "choices": np.exp(state.entropy),
        "log_z": _log_z(z, state.keep, temperature),
        "mean_logit": mean,
        "variance": variance,
        "entropy_slope": over_power(variance, temperature, 3),
        "heat_capacity": over_power(variance, temperature, 2),
        "fisher_information": over_power(variance, temperature, 4),
        "leak_mass": np.where(_smallest_set(state.raw_logprobs, CORE_MASS), 0.0, p).sum(axis=1),
        "kept_mass": np.where(state.keep, np.exp(untruncated.logprobs), 0.0).sum(axis=1),
    }
    return Facts(
        **{name: back(values) for name, values in numbers.items()},
        n95=back(_smallest_set(state.logprobs, BODY_MASS).sum(axis=1)),
        kept=state.keep.reshape(*state.leading, state.raw.shape[1]),
        kept_count=back(state.keep.sum(axis=1)),
    )


def over_power(moment: Values, temperature: float | Values, power: int) -> Values:
    """Return moment / T^power; 0 where the moment is, also at T=0, which is its limit.

    Args:
        moment: any shape.
        temperature: in [0, inf]; broadcasts with the moment.
        power: >= 0; one division after the other, so that no power of T underflows before the quotient does.

    Example:
        >>> over_power(np.array([0.0, 8.0]), 2.0, 3).tolist(), over_power(np.array([0.0]), 0.0, 3).tolist()
        ([0.0, 1.0], [0.0])
    """
    out = moment.copy()
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        for _ in range(power):
            out = np.where(out == 0, 0.0, out / temperature)
    return out


def _log_z(z: Rows, keep: Mask, temperature: float) -> Values:
    best = np.where(keep, z, -np.inf).max(axis=1)
    if temperature == 0:
        return np.where(best == 0, 0.0, np.copysign(np.inf, best))
    scaled = np.where(keep, (z - best[:, None]) / temperature, -np.inf)
    result: Values = best / temperature + np.log(np.exp(scaled).sum(axis=1))
    return result


def _smallest_set(logprobs: Rows, mass: float) -> Mask:
    """Return the smallest set of tokens, by probability then id, that holds the mass."""
    order = np.argsort(-logprobs, axis=1, kind="stable")
    total = np.cumsum(np.exp(np.take_along_axis(logprobs, order, axis=1)), axis=1)
    count = 1 + (total < mass - TOLERANCE).sum(axis=1)
    inside = np.zeros(logprobs.shape, dtype=np.bool_)
    np.put_along_axis(inside, order, np.arange(order.shape[1]) < count[:, None], axis=1)
    return inside
