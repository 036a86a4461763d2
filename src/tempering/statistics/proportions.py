"""Proportions: Wilson's interval, for answers that are independent and for answers that come in clusters."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from tempering.errors import ParameterError
from tempering.statistics.clusters import mean_parts, t_quantile
from tempering.statistics.estimate import Estimate

PRIOR = 0.04
LEAST = 0.3


def wilson(successes: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate a proportion from answers that are 0 or 1.

    Where every cluster has one answer, this is Wilson's score interval (1927). Where answers share clusters (several
    samples of a prompt), n answers are worth fewer: n is divided by the design effect, the variance between clusters
    over that of independent answers, and the quantile is t (as in surveys: Dean and Pagano 2015,
    Journal of Survey Statistics and Methodology 3, 484), with (clusters - 1)(1 + 1/effect)^2 degrees of freedom
    (Satterthwaite's, as the variance that independent answers have is known). Rare answers say little of how they
    cluster: the effect is drawn towards the cluster size as ``0.04 / (clusters * p * (1 - p))`` grows, and never taken
    below 0.3.

    With a single cluster its answers are the units: the interval then speaks of that prompt alone.
    Coverage is in docs/statistics.md.

    Args:
        successes: shape [n], 0 or 1; NaN is left out.
        clusters: shape [n], the cluster of each.
        confidence: nominal coverage, in (0, 1).

    Returns:
        The share with an interval inside [0, 1], also where all answers agree; NaN bounds without an answer.

    Raises:
        ParameterError: shapes differ, or a value is neither 0 nor 1.

    Example:
        >>> share = wilson([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], range(10))
        >>> share.value, round(share.low, 3), round(share.high, 3)
        (0.7, 0.397, 0.892)
    """
    parts = mean_parts(successes, clusters, confidence)
    answers = np.asarray(successes, np.float64)
    if not np.isin(answers[~np.isnan(answers)], (0.0, 1.0)).all():
        raise ParameterError("answers of a proportion must be 0 or 1", field="successes")
    if not parts.n:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, confidence)
    share, n, units = parts.value, parts.n, len(parts.sums)
    if units == n:
        quantile, effective = float(special.ndtri((1 + confidence) / 2)), float(n)
    else:
        effect = _design_effect(parts.contributions, share, n, float((parts.sizes**2).sum()) / n)
        quantile, effective = t_quantile((units - 1) * (1 + 1 / effect) ** 2, confidence), n / effect
    squared = quantile**2 / effective
    centre = (share + squared / 2) / (1 + squared)
    half = quantile * math.sqrt(share * (1 - share) / effective + squared / (4 * effective)) / (1 + squared)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Estimate(share, min(low, share), max(high, share), n, parts.clusters, confidence)


def _design_effect(contributions: np.ndarray, share: float, n: int, size: float) -> float:
    """Return by how much clustering multiplies the variance; full agreement inside clusters makes it ``size``."""
    units, alone = len(contributions), share * (1 - share)
    observed = float(contributions.var(ddof=1)) / units / (alone / n) if alone else 1.0
    weight = PRIOR / (units * alone + PRIOR)
    return max((observed + weight * size) / (1 + weight), LEAST)
