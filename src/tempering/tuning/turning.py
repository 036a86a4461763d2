"""A suggestion where nothing can be graded: the temperature from which on a model's entropy runs away. Arrays only.

H(T) is the mean entropy of a step in texts drawn at T. Below the turning point log H bends down as T rises, above it
up: there a text's own unlikely tokens begin to make the next ones uncertain. TURN (arXiv 2502.05234) chooses the
smallest T with d2 log H / dT2 > 0 and adds 0.1 where the best of several texts is taken. There these are unsmoothed
differences; here log H is fitted by a spline, and prompts are resampled for the interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate

from tempering.errors import ParameterError

Values = NDArray[np.float64]

RESAMPLES = 400
FINE = 0.01
LOWEST = 0.2
"""Below this T entropies are near 0 and their logarithm is noise."""

BEST_OF = 0.1
"""Added where the best of several texts is taken, as in the source."""


@dataclass(frozen=True)
class TurningPoint:
    """Where the entropy turns.

    Attributes:
        temperature: of the turning point; the highest T looked at if it never turns.
        low: lower end of its interval.
        high: upper end.
        found: share of the resamples in which the entropy turned, in [0, 1].
        n: texts.
        prompts: clusters.
        confidence: of the interval.
    """

    temperature: float
    low: float
    high: float
    found: float
    n: int
    prompts: int
    confidence: float


def turning_point(
    entropies: ArrayLike, temperatures: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> TurningPoint:
    """Return the turning point of the entropy with its interval over prompts.

    Args:
        entropies: mean entropy of a step of each text in nats, shape [n]; NaN is left out.
        temperatures: of each text, shape [n]; at least six different ones from 0.2 on.
        clusters: the prompt of each text, shape [n].
        confidence: of the interval, in (0, 1).
        seed: of the resampling.

    Raises:
        ParameterError: fewer than six temperatures.

    Example:
        >>> t = np.tile(np.arange(0.2, 2.01, 0.2), 4)
        >>> h = np.exp(0.5 * (t - 1.0) ** 3 + t)  # bends down before 1, up after
        >>> round(turning_point(h, t, np.repeat(np.arange(4), 10)).temperature, 1)
        1.0
    """
    h, t, who = (np.asarray(v) for v in (entropies, temperatures, clusters))
    kept = ~np.isnan(h) & (t >= LOWEST) & (h > 0)
    h, t, who = h[kept].astype(np.float64), t[kept].astype(np.float64), who[kept]
    grid, at = np.unique(t, return_inverse=True)
    if len(grid) < 6:
        raise ParameterError(
            f"a turning point needs six temperatures from {LOWEST}, got {len(grid)}", field="temperatures"
        )
    names, of = np.unique(who, return_inverse=True)
    total, count = np.zeros((len(names), len(grid))), np.zeros((len(names), len(grid)))
    np.add.at(total, (of, at), h)
    np.add.at(count, (of, at), 1)

    def turn(weight: Values) -> float | None:
        seen = weight @ count
        mean = (weight @ total)[seen > 0] / seen[seen > 0]
        return _turn(grid[seen > 0], np.log(mean))

    own = turn(np.ones(len(names)))
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    turns = [turn(weight.astype(np.float64)) for weight in drawn]
    top = float(grid[-1])
    placed = [top if found is None else found for found in turns]
    tail = (1 - confidence) / 2
    low, high = np.quantile(placed, [tail, 1 - tail])
    return TurningPoint(
        temperature=top if own is None else own,
        low=float(min(low, top if own is None else own)),
        high=float(max(high, top if own is None else own)),
        found=float(np.mean([found is not None for found in turns])),
        n=len(h),
        prompts=len(names),
        confidence=confidence,
    )


def _turn(t: Values, log_h: Values) -> float | None:
    """Return the smallest T from which the fitted log H bends up; None if it never does, or with too few places."""
    if len(t) < 6:
        return None
    knots = np.quantile(t, [0.33, 0.67])
    spline = interpolate.make_lsq_spline(t, log_h, np.r_[[t[0]] * 4, knots, [t[-1]] * 4], k=3)
    fine = np.arange(t[0], t[-1] + FINE / 2, FINE)
    bends = spline(fine, 2) > 0
    return float(fine[bends.argmax()]) if bends.any() else None
