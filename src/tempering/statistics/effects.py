"""Effect sizes: how large a difference is beside the spread of the values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tempering.errors import ParameterError
from tempering.statistics.clusters import Array, fisher, jackknife, known_values, units_of
from tempering.statistics.estimate import Estimate


def cohens_d(first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate Cohen's d of pairs: the mean of ``second - first`` over the spread of a value.

    d_av = mean(second - first) / sqrt((var(first) + var(second)) / 2), which pairing does not inflate (Cumming 2012,
    ch. 11; Lakens 2013, doi 10.3389/fpsyg.2013.00863). Interval: jackknife over clusters, corrected for skewness.

    Args:
        first: shape [n].
        second: shape [n], each the partner of the same place in ``first``; a pair with a NaN is left out.
        clusters: shape [n].
        confidence: nominal coverage, in (0, 1).

    Returns:
        d, 0 where nothing differs; NaN where values do not vary but differ, and bounds NaN below four units.

    Example:
        >>> cohens_d([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0], range(4)).value
        0.774...
    """
    before, after, place, units, names = _pairs(first, second, clusters, confidence)
    columns = (np.ones(len(before)), before, after, before**2, after**2)
    sums = np.array([np.bincount(place, column, units) for column in columns])

    def effect(totals: Array) -> Array:
        n, a, b, aa, bb = totals
        spread = (aa - a * a / n + bb - b * b / n) / (2 * (n - 1))
        # Rounding leaves a tiny spread where values are equal.
        known = spread > 1e-12 * (aa + bb) / n
        return np.where(known, (b - a) / n / np.sqrt(np.where(known, spread, 1)), np.where(a == b, 0.0, math.nan))

    total = sums.sum(axis=1)
    if total[0] < 2:
        return Estimate(math.nan, math.nan, math.nan, len(before), names, confidence)
    value = float(effect(total[:, None])[0])
    left_out = effect(total[:, None] - sums) if units >= 4 else np.array([math.nan])
    return _jackknifed(value, left_out, len(before), names, confidence)


def cliffs_delta(first: ArrayLike, second: ArrayLike, clusters: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate Cliff's delta: how much more often a value of ``second`` lies above one of ``first`` than below.

    delta = P(second > first) - P(second < first) over all combinations, in [-1, 1]; it knows ranks only (Cliff 1993).
    Interval: jackknife over clusters on Fisher's scale, corrected for skewness.
    Arguments as in ``cohens_d``.

    Example:
        >>> cliffs_delta([1.0, 2.0, 3.0, 4.0], [2.5, 3.5, 4.5, 5.5], range(4)).value
        0.625
    """
    before, after, place, units, names = _pairs(first, second, clusters, confidence)
    if not len(before):
        return Estimate(math.nan, math.nan, math.nan, 0, 0, confidence)
    wins = np.zeros((units, units))
    for unit in range(units):
        mine = np.sort(before[place == unit])
        above = np.searchsorted(mine, after, "left") + np.searchsorted(mine, after, "right") - len(mine)
        wins[unit] = np.bincount(place, above, units)
    value = float(wins.sum()) / len(before) ** 2
    sizes = np.bincount(place, minlength=units)
    if units < 4:
        return Estimate(value, math.nan, math.nan, len(before), names, confidence)
    left = wins.sum() - wins.sum(axis=0) - wins.sum(axis=1) + np.diag(wins)
    scale = fisher(left / (len(before) - sizes) ** 2)
    low, high = jackknife(float(fisher(value)), scale, confidence)
    return Estimate(value, math.tanh(low), math.tanh(high), len(before), names, confidence)


def _pairs(
    first: ArrayLike, second: ArrayLike, clusters: ArrayLike, confidence: float
) -> tuple[Array, Array, np.ndarray, int, int]:
    before, after, groups = np.asarray(first, np.float64), np.asarray(second, np.float64), np.asarray(clusters)
    if before.shape != after.shape:
        raise ParameterError(f"first and second must be pairs: {before.shape}, {after.shape}", field="second")
    _, kept = known_values(after - before, groups, confidence)
    known = ~np.isnan(after - before)
    place, units, names = units_of(kept) if len(kept) else (np.zeros(0, np.intp), 0, 0)
    return before[known], after[known], place, units, names


def _jackknifed(value: float, left_out: Array, n: int, clusters: int, confidence: float) -> Estimate:
    if math.isnan(value) or np.isnan(left_out).any():
        return Estimate(value, math.nan, math.nan, n, clusters, confidence)
    low, high = jackknife(value, left_out, confidence)
    return Estimate(value, low, high, n, clusters, confidence)
