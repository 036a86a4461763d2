"""What a study of this size could have seen, and whether a difference is too small to matter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from tempering.errors import ParameterError
from tempering.statistics.clusters import interval, mean_parts, standard_error, tail
from tempering.statistics.estimate import Estimate
from tempering.statistics.trend import trend_parts

POWER = 0.8
QUANTILES = 4000


def smallest_detectable_effect(
    values: ArrayLike, clusters: ArrayLike, *, power: float = POWER, alpha: float = 0.05, confidence: float = 0.95
) -> Estimate:
    """Estimate the smallest true mean that a study like this finds different from 0 with the given power.

    Give it paired differences. The size is the noncentrality at which a two-sided t test over the clusters has that
    power, times the standard error seen; its interval is that of the standard error (chi-square, clusters - 1 degrees
    of freedom). It depends on the spread seen and not on the effect seen: power at the observed effect would say no
    more than its p (Hoenig and Heisey 2001, doi 10.1198/000313001300339897).

    Args:
        values: shape [n], differences; NaN is left out.
        clusters: shape [n].
        power: in (0, 1).
        alpha: the level of the test, in (0, 1); divide it by the number of comparisons where there are several.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The effect, >= 0, in the units of the values; NaN with fewer than two units, or where nothing varies.

    Raises:
        ParameterError: shapes differ, or an option is outside (0, 1).

    Example:
        >>> seen = smallest_detectable_effect([0.1, -0.2, 0.3, 0.0, -0.1, 0.2, -0.3, 0.1], range(8))
        >>> round(seen.value, 2)
        0.23
    """
    parts = mean_parts(values, clusters, confidence)
    units = len(parts.sums)
    if units < 2:
        return Estimate(math.nan, math.nan, math.nan, parts.n, parts.clusters, confidence)
    low, value, high = _detectable(standard_error(parts.contributions), units, power, alpha, confidence)
    return Estimate(value, low, high, parts.n, parts.clusters, confidence)


def smallest_detectable_trend(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike,
    *,
    power: float = POWER,
    alpha: float = 0.05,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the smallest rank correlation that a study like this finds different from 0 with the given power.

    As ``smallest_detectable_effect``, on Fisher's scale with the standard error of ``rank_trend``.

    Example:
        >>> smallest_detectable_trend([0, 1, 2] * 4, [0, 2, 1, 1, 0, 2, 0, 1, 2, 2, 1, 0], [0, 1, 2, 3] * 3).value
        0.837...
    """
    parts = trend_parts(x, y, clusters, confidence)
    if parts.left_out is None:
        return Estimate(math.nan, math.nan, math.nan, parts.n, parts.clusters, confidence)
    contributions = parts.contributions
    found = _detectable(standard_error(contributions), len(contributions), power, alpha, confidence)
    low, value, high = (math.tanh(bound) for bound in found)
    return Estimate(value, low, high, parts.n, parts.clusters, confidence)


def detectable(error: float, df: float, *, power: float = POWER, alpha: float = 0.05) -> float:
    """Return the smallest true value that a two-sided t test with this standard error finds with the given power.

    Example:
        >>> round(detectable(1.0, math.inf), 2), round(detectable(1.0, 7), 2)
        (2.8, 3.27)
    """
    for name, value in (("power", power), ("alpha", alpha)):
        if not 0 < value < 1:
            raise ParameterError(f"{name} must be in (0, 1), got {value}", field=name)
    return error * _noncentrality(df, power, alpha)


@lru_cache(maxsize=256)
def _noncentrality(df: float, power: float, alpha: float) -> float:
    """Return the shift of t, in standard errors, at which the test has the power."""
    if power <= alpha:
        return 0.0
    if math.isinf(df):
        critical, spread = float(special.ndtri(1 - alpha / 2)), np.ones(1)
    else:
        critical = float(special.stdtrit(df, 1 - alpha / 2))
        # The noncentral t as a mixture of normals: stable where the closed form is not.
        spread = np.sqrt(2 * special.gammaincinv(df / 2, (np.arange(QUANTILES) + 0.5) / QUANTILES) / df)

    def short(shift: float) -> float:
        found = special.ndtr(shift - critical * spread) + special.ndtr(-shift - critical * spread)
        return float(found.mean()) - power

    highest = critical
    while short(highest) < 0:
        highest *= 2
    return float(optimize.brentq(short, 0.0, highest))


def _detectable(error: float, units: int, power: float, alpha: float, confidence: float) -> tuple[float, float, float]:
    if error == 0:
        return math.nan, math.nan, math.nan
    value = detectable(error, units - 1, power=power, alpha=alpha)
    bounds = [
        value * math.sqrt((units - 1) / (2 * float(special.gammaincinv((units - 1) / 2, level))))
        for level in ((1 + confidence) / 2, (1 - confidence) / 2)
    ]
    return bounds[0], value, bounds[1]


@dataclass(frozen=True)
class Equivalence:
    """Whether a difference is too small to matter.

    Attributes:
        difference: the mean difference with the interval of 1 - 2 alpha that the test looks at (90 % at alpha .05).
        margin: what the user calls too small to matter, in the units of the values.
        p: the larger p of the two one-sided tests.
        alpha: the level.
    """

    difference: Estimate
    margin: float
    p: float
    alpha: float

    @property
    def equivalent(self) -> bool:
        """Whether both tests reject: the difference lies inside the margin. False is no proof of a difference."""
        return self.p < self.alpha


def equivalence(differences: ArrayLike, clusters: ArrayLike, margin: float, *, confidence: float = 0.95) -> Equivalence:
    """Test whether a mean difference lies inside ``-margin`` to ``margin``, by two one-sided tests (TOST).

    Schuirmann (1987); each test is a t test over the clusters, corrected for skewness.
    The margin is a judgement about the use and comes from the user, before the data are seen.

    Args:
        differences: shape [n], second minus first of each pair; NaN is left out.
        clusters: shape [n].
        margin: above 0.
        confidence: 1 - alpha.

    Raises:
        ParameterError: margin is not above 0, or shapes differ.

    Example:
        >>> equivalence([0.01, -0.02, 0.0, 0.03, -0.01, 0.02], range(6), 0.1).equivalent
        True
    """
    if not margin > 0 or math.isinf(margin):
        raise ParameterError(f"margin must be above 0, got {margin}", field="margin")
    alpha = 1 - confidence
    parts = mean_parts(differences, clusters, confidence)
    if len(parts.sums) < 2:
        return Equivalence(parts.estimate((math.nan, math.nan), 1 - 2 * alpha), margin, math.nan, alpha)
    contributions = parts.contributions
    above = tail(parts.value, contributions, -margin)
    below = tail(parts.value, contributions, margin, upper=False)
    bounds = interval(parts.value, contributions, 1 - 2 * alpha)
    return Equivalence(parts.estimate(bounds, 1 - 2 * alpha), margin, max(above, below), alpha)
