"""Means of clustered values: the closed form."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from tempering.statistics.clusters import interval, mean_parts, p_value
from tempering.statistics.estimate import Estimate


def t_mean(values: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the mean of clustered values by t over the clusters, corrected for skewness.

    The cluster is the unit: its values count together, as one draw. The interval is Hall's (1992), which is the t
    interval where cluster means lie symmetrically, and longer on the side of the tail where they do not.
    With a single cluster its values are the units. Coverage is in docs/statistics.md.

    Args:
        values: shape [n]; NaN is left out and not counted in n.
        clusters: shape [n], the cluster of each value.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The estimate. The interval is NaN if fewer than two values are left; if all values are equal it has no width,
        which says that nothing varied in the sample, not that nothing can.

    Raises:
        ParameterError: shapes differ, or confidence is outside its range.

    Example:
        >>> known = t_mean([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2])
        >>> known.value, round(known.low, 2), round(known.high, 2)
        (3.5, -1.47, 8.47)
    """
    parts = mean_parts(values, clusters, confidence)
    bounds = interval(parts.value, parts.contributions, confidence) if len(parts.sums) > 1 else (0.0, 0.0)
    return parts.estimate(bounds, confidence)


def mean_p(values: ArrayLike, clusters: ArrayLike, null: float = 0.0) -> float:
    """Return the two-sided p of the hypothesis that the mean of clustered values is ``null``: ``t_mean`` turned round.

    It is the level at which the interval ends at the null; where no cluster differs from another, it is that of all
    clusters agreeing by chance. NaN with fewer than two units. Arguments as in ``t_mean``.

    Example:
        >>> round(mean_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0, 0, 1, 1, 2, 2]), 3)
        0.094
    """
    parts = mean_parts(values, clusters, 0.95)
    return p_value(parts.value, parts.contributions, null) if len(parts.sums) > 1 else math.nan
