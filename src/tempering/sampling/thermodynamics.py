"""The thermodynamics of a step: what its logits say of every temperature at once. Arrays only.

For logits z, b = 1/T and p = softmax(b z), log Z(b) = logsumexp(b z) is convex; its derivatives by b are the mean, the
variance and the third central moment of the logits under p. Everything here follows from them; nothing is sampled.
The model tempered token by token is not p(text)^(1/T) / Z over whole texts, and these are facts of single steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.sampling.facts import BODY_MASS, CORE_MASS, over_power
from tempering.sampling.rows import Rows, checked_rows
from tempering.sampling.truncation import TOLERANCE

Values = NDArray[np.float64]
BLOCK = 65_536
"""Numbers that fit into the processor's cache together: half the time of one pass over all."""


@dataclass(frozen=True)
class Thermodynamics:
    """Facts of steps at every temperature; arrays have the leading shape of the logits, then one entry a temperature.

    Attributes:
        temperatures: T, shape [grid], as given.
        log_z: log Z = log of the sum of exp(z/T), nats (at T=0 its limit, +inf, 0 or -inf by the sign of max z).
        mean_logit: <z> at T.
        variance: Var(z) at T.
        entropy: H = log Z - <z>/T, nats.
        entropy_slope: dH/dT = Var(z) / T^3.
        entropy_curvature: d2H/dT2 = -(3 Var(z) + k3/T) / T^4 with k3 the third central moment of z at T.
        heat_capacity: Var(z) / T^2.
        fisher_information: of T, of one step: Var(z) / T^4; temperatures spaced as 1/sqrt of it are told apart alike.
        leak_mass: mass at T outside the smallest set with 90 % of the mass at T=1 (arXiv 2606.01451).
        n95: how many tokens hold 95 % of the mass at T (arXiv 2606.01451).
    """

    temperatures: Values
    log_z: Values
    mean_logit: Values
    variance: Values
    entropy: Values
    entropy_slope: Values
    entropy_curvature: Values
    heat_capacity: Values
    fisher_information: Values
    leak_mass: Values
    n95: NDArray[np.int64]


def thermodynamics(logits: ArrayLike, temperatures: ArrayLike) -> Thermodynamics:
    """Return the facts of every row of logits at every temperature, without truncation.

    Args:
        logits: shape [..., vocab]; -inf masks a token.
        temperatures: shape [grid], each in [0, inf]; 0 is greedy (the first best token alone), inf uniform.

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf.
        ParameterError: a temperature is negative or NaN, or there is none.

    Example:
        >>> known = thermodynamics([0.0, 1.0], [0.0, 1.0, np.inf])
        >>> known.entropy.round(3).tolist(), known.heat_capacity.round(3).tolist()
        ([0.0, 0.582, 0.693], [0.0, 0.197, 0.0])
    """
    grid = np.atleast_1d(np.asarray(temperatures, dtype=np.float64))
    if grid.ndim != 1 or not grid.size or not (grid >= 0).all():
        raise ParameterError("temperatures must be numbers in [0, inf], at least one", field="temperatures")
    rows, leading = checked_rows(logits)
    numbers = np.empty((6, len(rows), len(grid)))
    n95 = np.empty((len(rows), len(grid)), dtype=np.int64)
    for part in blocks(*rows.shape):
        # Tokens are ranked alike at every T, so that one sort serves the whole grid.
        ranked = -np.sort(-rows[part], axis=1)
        best = ranked[:, :1].copy()
        finite = ~np.isneginf(ranked)
        ranked = np.where(finite, ranked - best, 0.0)
        core = _count(_shares(ranked, finite, 1.0)[0], CORE_MASS)
        for at, temperature in enumerate(grid.tolist()):
            numbers[:, part, at], n95[part, at] = _at(ranked, finite, best[:, 0], core, temperature)
    log_z, mean, variance, third, entropy, leak = numbers
    with np.errstate(over="ignore"):
        curvature = over_power(-3 * variance - over_power(third, grid, 1), grid, 4)
    shape = (*leading, len(grid))
    return Thermodynamics(
        temperatures=grid,
        log_z=log_z.reshape(shape),
        mean_logit=mean.reshape(shape),
        variance=variance.reshape(shape),
        entropy=entropy.reshape(shape),
        entropy_slope=over_power(variance, grid, 3).reshape(shape),
        entropy_curvature=curvature.reshape(shape),
        heat_capacity=over_power(variance, grid, 2).reshape(shape),
        fisher_information=over_power(variance, grid, 4).reshape(shape),
        leak_mass=leak.reshape(shape),
        n95=n95.reshape(shape),
    )


def blocks(rows: int, width: int) -> Iterator[slice]:
    """Yield slices of rows that fit into the processor's cache together.

    Example:
        >>> [part.stop for part in blocks(5, 30_000)]
        [2, 4, 5]
    """
    size = max(1, BLOCK // max(1, width))
    for begin in range(0, rows, size):
        yield slice(begin, min(begin + size, rows))


def _shares(ranked: Rows, finite: NDArray[np.bool_], temperature: float) -> tuple[Rows, Values]:
    """Return probabilities at T in rank order, and log Z of the gaps to the best logit."""
    if temperature == 0:
        first = np.zeros_like(ranked)
        first[:, 0] = 1.0
        return first, np.zeros(len(ranked))
    with np.errstate(over="ignore"):  # a T near 1e-308 sends all but the best to -inf, which is its limit
        weights = np.where(finite, np.exp(ranked / temperature), 0.0)
    total = weights.sum(axis=1)
    return weights / total[:, None], np.log(total)


def _at(
    ranked: Rows, finite: NDArray[np.bool_], best: Values, core: NDArray[np.intp], temperature: float
) -> tuple[list[Values], NDArray[np.intp]]:
    """Return log Z, mean, variance, third central moment, entropy and leak mass at one T, and n95."""
    p, log_z = _shares(ranked, finite, temperature)
    mean = np.einsum("rv,rv->r", p, ranked)
    deviation = ranked - mean[:, None]
    weighted = p * deviation
    weighted *= deviation
    variance = weighted.sum(axis=1)
    third = np.einsum("rv,rv->r", weighted, deviation)
    if temperature == 0:
        entropy, whole = np.zeros_like(mean), np.where(best == 0, 0.0, np.copysign(np.inf, best))
    else:
        with np.errstate(over="ignore"):
            entropy, whole = np.maximum(log_z - mean / temperature, 0.0), log_z + best / temperature
    outside = np.arange(ranked.shape[1]) >= core[:, None]
    leak = np.where(outside, p, 0.0).sum(axis=1)
    return [whole, best + mean, variance, third, entropy, leak], _count(p, BODY_MASS)


def _count(p: Rows, mass: float) -> NDArray[np.intp]:
    """Return how many of the best tokens hold a mass."""
    return np.asarray(1 + (np.cumsum(p, axis=1) < mass - TOLERANCE).sum(axis=1))
