"""Trends: whether values rise or fall with a setting, by ranks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics.estimate import Estimate

RESAMPLES = 1000


def rank_trend(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Estimate Spearman's rank correlation of y with x, with an interval over clusters.

    The interval is made on Fisher's scale, atanh(rho) ± t(k - 1) * s, with s the bootstrap standard error over k
    clusters corrected by sqrt(k / (k - 1)). It speaks of other prompts like these, at these same settings.

    Coverage of the nominal 95 % interval, simulated on 300 studies of 8 prompts x 10 settings x 3 samples (standard
    error 1.3 %): 96.0 % without a trend, 93.7 % where its sign differs by prompt, 94.3 % for rho .26, 91.7 % for .72.

    Args:
        x: shape [n], the setting.
        y: shape [n], the values; NaN is left out.
        clusters: shape [n], the cluster of each value.
        confidence: nominal coverage, in (0, 1).
        resamples: how many, >= 2.
        seed: the same seed gives the same interval.

    Returns:
        rho in [-1, 1] with its interval; NaN where x or y does not vary. With a single cluster the interval is NaN.

    Raises:
        ParameterError: shapes differ.

    Example:
        >>> rank_trend([0, 1, 2, 0, 1, 2], [1.0, 2.0, 9.0, 0.0, 3.0, 4.0], [0, 0, 0, 1, 1, 1]).value
        0.956...
    """
    setting, values, groups = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(clusters)
    if not setting.shape == values.shape == groups.shape or setting.ndim != 1:
        raise ParameterError("x, y and clusters must have one entry a value", field="y")
    known = ~np.isnan(values)
    setting, values, groups = setting[known], values[known], groups[known]
    names, place = np.unique(groups, return_inverse=True)
    rho = _spearman(setting, values)
    none = Estimate(rho, math.nan, math.nan, len(values), len(names), confidence)
    if math.isnan(rho) or len(names) < 2:
        return none
    generator, members = np.random.default_rng(seed), [np.flatnonzero(place == i) for i in range(len(names))]
    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in generator.integers(0, len(names), len(names))])
        drawn.append(_spearman(setting[rows], values[rows]))
    count = len(names)
    scale = np.arctanh(np.clip([r for r in drawn if not math.isnan(r)], -1 + 1e-12, 1 - 1e-12))
    if len(scale) < 2:
        return none
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * scale.std(ddof=1) * math.sqrt(count / (count - 1)))
    centre = math.atanh(min(max(rho, -1 + 1e-12), 1 - 1e-12))
    return Estimate(rho, math.tanh(centre - half), math.tanh(centre + half), len(values), count, confidence)


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of the ranks; NaN where one of them does not vary."""
    if len(x) < 2:
        return math.nan
    a, b = stats.rankdata(x), stats.rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return max(-1.0, min(1.0, float((a * b).sum()) / scale)) if scale > 0 else math.nan
