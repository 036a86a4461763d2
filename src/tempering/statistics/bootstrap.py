"""Bootstrap intervals for means of clustered values. The unit of resampling is the cluster (prompt), then the value.

Clusters are resampled whole, with all their values: resampling the values inside them again would count their spread
twice, as it is in the spread of the cluster means already. The values of a single cluster are resampled themselves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from tempering.errors import ParameterError
from tempering.statistics.clusters import interval, mean_parts, resampling_weights, t_quantile
from tempering.statistics.estimate import Estimate

RESAMPLES = 2000


def bootstrap_mean(
    values: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Estimate the mean of clustered values with the bootstrap's standard error.

    The interval of ``t_mean``, scaled to the bootstrap standard error corrected by sqrt(k / (k - 1)) for k clusters.
    With clusters of equal size both agree but for the noise of resampling; where texts are missing, the mean is a
    ratio, and its spread is better resampled than linearised. Coverage is in docs/statistics.md.

    Args:
        values: shape [n]; NaN is left out and not counted in n.
        clusters: shape [n], the cluster of each value.
        confidence: nominal coverage, in (0, 1).
        resamples: how many, >= 2.
        seed: the same seed gives the same interval.

    Returns:
        The estimate. The interval is NaN if fewer than two values are left; if all values are equal it has no width,
        which says that nothing varied in the sample, not that nothing can.

    Raises:
        ParameterError: shapes differ, or an option is outside its range.

    Example:
        >>> known = bootstrap_mean([1.0, 2.0, 3.0, 4.0], [0, 0, 1, 1])
        >>> known.value, known.n, known.clusters
        (2.5, 4, 2)
        >>> bool(known.low < 2.5 < known.high)
        True
    """
    parts = mean_parts(values, clusters, confidence)
    if len(parts.sums) < 2:
        return parts.estimate((math.nan, math.nan), confidence)
    means, count = _resampled(parts.sums, parts.sizes, resamples, seed), len(parts.sums)
    error = float(means.std(ddof=1)) * math.sqrt(count / (count - 1))
    contributions = parts.contributions
    linear = float(contributions.std(ddof=1)) / math.sqrt(count)
    scaled = contributions * (error / linear) if linear > 0 else contributions
    return parts.estimate(interval(parts.value, scaled, confidence), confidence)


def bca_mean(
    values: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Estimate the mean of clustered values with the bias-corrected and accelerated percentiles of the bootstrap.

    Efron (1987) with Hesterberg's expansion to t quantiles for few clusters (2015, doi 10.1080/00031305.2015.1089789).
    The bounds never leave the range of the cluster means, as for shares they should not. Below eight clusters it is too
    narrow: take ``t_mean``. Arguments, result and errors as in ``bootstrap_mean``.

    Example:
        >>> known = bca_mean([0.0, 0.1, 0.0, 0.3, 0.2, 0.9, 0.0, 0.1], range(8))
        >>> round(known.value, 2), bool(known.value - known.low < known.high - known.value)
        (0.2, True)
    """
    parts = mean_parts(values, clusters, confidence)
    count = len(parts.sums)
    if count < 2:
        return parts.estimate((math.nan, math.nan), confidence)
    means = np.sort(_resampled(parts.sums, parts.sizes, resamples, seed))
    contributions = parts.contributions
    spread = float((contributions**2).sum())
    if spread == 0:
        return parts.estimate((parts.value, parts.value), confidence)
    below = (float((means < parts.value).mean()) + float((means <= parts.value).mean())) / 2
    bias = float(special.ndtri(min(max(below, 1 / resamples), 1 - 1 / resamples)))
    acceleration = float((contributions**3).sum()) / (6 * spread**1.5)
    reach = t_quantile(count - 1, confidence) * math.sqrt(count / (count - 1))
    shifts = np.array([bias - reach, bias + reach])
    levels = special.ndtr(bias + shifts / (1 - acceleration * shifts))
    low, high = np.quantile(means, levels)
    return parts.estimate((float(low), float(high)), confidence)


def bootstrap_difference(
    first: ArrayLike,
    second: ArrayLike,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate the mean of ``second - first``, paired value by value (common noise) and clustered.

    A pair in which either value is NaN is left out. Arguments, interval and errors as in ``bootstrap_mean``.

    Example:
        >>> bootstrap_difference([1.0, 5.0, 2.0], [2.0, 6.0, 3.0], [0, 1, 2])
        Estimate(value=1.0, low=1.0, high=1.0, n=3, clusters=3, confidence=0.95)
    """
    before, after = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if before.shape != after.shape:
        raise ParameterError(f"first and second must be pairs: {before.shape}, {after.shape}", field="second")
    return bootstrap_mean(after - before, clusters, confidence=confidence, resamples=resamples, seed=seed)


def _resampled(sums: np.ndarray, sizes: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    if resamples < 2:
        raise ParameterError(f"resamples must be at least 2, got {resamples}", field="resamples")
    weights = resampling_weights(len(sums), resamples, seed)
    return np.asarray((weights @ sums) / (weights @ sizes), np.float64)
