"""Trends: whether values rise or fall with a setting, by ranks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.statistics.clusters import (
    CHUNK,
    Array,
    fisher,
    interval,
    known_values,
    left_out_contributions,
    p_value,
    units_of,
)
from tempering.statistics.estimate import Estimate

UNITS = 400


def rank_trend(x: ArrayLike, y: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate Spearman's rank correlation of y with x, with an interval over clusters.

    The interval is a jackknife over clusters on Fisher's scale atanh(rho), corrected for skewness. It speaks of other
    prompts like these, at these same settings. With a single cluster its values are the units. Coverage is in
    docs/statistics.md.

    Args:
        x: shape [n], the setting; infinite is the highest.
        y: shape [n], the values; NaN is left out.
        clusters: shape [n], the cluster of each value.
        confidence: nominal coverage, in (0, 1).

    Returns:
        rho in [-1, 1] with its interval; NaN where x or y does not vary. With fewer than four units the interval is
        NaN.

    Raises:
        ParameterError: shapes differ.

    Example:
        >>> rank_trend([0, 1, 2, 0, 1, 2], [1.0, 2.0, 9.0, 0.0, 3.0, 4.0], [0, 0, 0, 1, 1, 1]).value
        0.956...
    """
    found = trend_parts(x, y, clusters, confidence)
    if found.left_out is None:
        return Estimate(found.rho, math.nan, math.nan, found.n, found.clusters, confidence)
    low, high = interval(float(fisher(found.rho)), found.contributions, confidence)
    return Estimate(found.rho, math.tanh(low), math.tanh(high), found.n, found.clusters, confidence)


@dataclass(frozen=True)
class TrendParts:
    """A rank correlation and what it is without each unit.

    Attributes:
        rho: Spearman's correlation; NaN where x or y does not vary.
        left_out: shape [units], the correlation without each; None where it cannot be had.
        n: how many values.
        clusters: how many clusters.
    """

    rho: float
    left_out: Array | None
    n: int
    clusters: int

    @property
    def contributions(self) -> Array:
        """What each unit adds to the error of atanh(rho)."""
        return np.zeros(0) if self.left_out is None else left_out_contributions(fisher(self.left_out))

    @property
    def p(self) -> float:
        """The two-sided p of no correlation; NaN where there is no interval."""
        return p_value(float(fisher(self.rho)), self.contributions) if self.left_out is not None else math.nan


def trend_parts(x: ArrayLike, y: ArrayLike, clusters: ArrayLike, confidence: float = 0.95) -> TrendParts:
    """Return Spearman's correlation and its values with each unit left out; arguments as in ``rank_trend``."""
    setting, groups = np.asarray(x, np.float64), np.asarray(clusters)
    values = np.asarray(y, np.float64)
    if not setting.shape == values.shape == groups.shape or setting.ndim != 1:
        raise ParameterError("x, y and clusters must have one entry a value", field="y")
    setting = setting[~np.isnan(values)]
    values, groups = known_values(values, groups, confidence)
    if not len(values):
        return TrendParts(math.nan, None, 0, 0)
    place, units, names = units_of(groups)
    if units > UNITS:  # Leaving out several at a time costs nothing in precision here, and the tables stay small.
        place, units = place % UNITS, UNITS
    tables = _Ranked.of(setting, place, units), _Ranked.of(values, place, units)
    rho = float(_correlations(*tables, place, np.ones((1, units)))[0])
    if math.isnan(rho) or units < 4:
        return TrendParts(rho, None, len(values), names)
    step = max(1, CHUNK // len(values))
    left_out = np.concatenate(
        [_correlations(*tables, place, 1.0 - np.eye(units)[start : start + step]) for start in range(0, units, step)]
    )
    return TrendParts(rho, None if np.isnan(left_out).any() else left_out, len(values), names)


@dataclass(frozen=True)
class _Ranked:
    """The ranks of values in any weighting of units: counts of each distinct value in each unit, and its place."""

    counts: Array
    place: NDArray[np.intp]

    @classmethod
    def of(cls, values: Array, units: NDArray[np.intp], count: int) -> _Ranked:
        distinct, place = np.unique(values, return_inverse=True)
        counts = np.zeros((count, len(distinct)))
        np.add.at(counts, (units, place), 1)
        return cls(counts, place)

    def midranks(self, weights: Array) -> Array:
        """Return mid-ranks, shape [weightings, n], up to a constant."""
        counts = weights @ self.counts
        return np.asarray((np.cumsum(counts, axis=1) - counts / 2)[:, self.place], np.float64)


def _correlations(x: _Ranked, y: _Ranked, units: NDArray[np.intp], weights: Array) -> Array:
    """Return Pearson's correlation of the ranks in each weighting of units; NaN where one of them does not vary."""
    a, b, w = x.midranks(weights), y.midranks(weights), weights[:, units]
    total = w.sum(axis=1, keepdims=True)
    a, b = a - (w * a).sum(axis=1, keepdims=True) / total, b - (w * b).sum(axis=1, keepdims=True) / total
    both, left, right = (w * a * b).sum(axis=1), (w * a * a).sum(axis=1), (w * b * b).sum(axis=1)
    scale = np.sqrt(left * right)
    known = scale > 1e-9 * total[:, 0]
    return np.where(known, np.clip(both / np.where(known, scale, 1), -1, 1), math.nan)
