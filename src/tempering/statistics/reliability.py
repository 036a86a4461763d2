"""Reliability: how far the columns of a table measure one thing. Knows nothing of what was rated."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.statistics.clusters import jackknife
from tempering.statistics.estimate import Estimate


def cronbach_alpha(table: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate Cronbach's alpha, the consistency of a row's level over the columns.

    ``k / (k - 1) * (1 - trace(C) / sum(C))`` with C the covariances of the k columns over the rows where both are
    known, those that no two rows share left out (Cronbach 1951). With raters as rows and stories as columns alpha asks
    whether a rater who scores one story high scores all high: it says nothing about agreement on which story is
    better. Turn the table for that.

    The interval is a jackknife over rows on the scale ``log(1 - alpha)``.

    Args:
        table: shape [rows, columns]; NaN where there is no value.
        confidence: nominal coverage, in (0, 1).

    Returns:
        Alpha, at most 1; below 0 where rows differ less than chance; NaN where covariances cannot be had. ``n`` counts
        values, ``clusters`` rows.

    Raises:
        ParameterError: not a table.

    Example:
        >>> round(cronbach_alpha([[1, 2, 1], [2, 3, 3], [4, 4, 5], [5, 5, 4]]).value, 3)
        0.95
    """
    values = np.asarray(table, np.float64)
    if values.ndim != 2:
        raise ParameterError("alpha needs a table: rows (who) and columns (what)", field="table")
    alpha, rows = _alpha(values), len(values)
    n = int((~np.isnan(values)).sum())
    left_out = np.array([_alpha(np.delete(values, row, axis=0)) for row in range(rows)])
    if rows < 3 or math.isnan(alpha) or np.isnan(left_out).any() or max(alpha, left_out.max()) >= 1:
        return Estimate(alpha, math.nan, math.nan, n, rows, confidence)
    low, high = jackknife(math.log(1 - alpha), np.log(1 - left_out), confidence)
    return Estimate(alpha, 1 - math.exp(high), 1 - math.exp(low), n, rows, confidence)


def _alpha(values: NDArray[np.float64]) -> float:
    known = ~np.isnan(values)
    shared = known.T.astype(np.float64) @ known
    filled = np.where(known, values, 0.0)
    # Means of each column over the rows that it shares with each other column.
    safe = np.maximum(shared, 1)
    sums = filled.T @ known
    covariance = (filled.T @ filled - sums * sums.T / safe) / np.maximum(shared - 1, 1)
    usable = shared > 1
    columns = int(usable.diagonal().sum())
    total = float(covariance[usable].sum())
    if columns < 2 or total <= 0:
        return math.nan
    return columns / (columns - 1) * (1 - float(covariance.diagonal()[usable.diagonal()].sum()) / total)
