"""Values in clusters: what each cluster contributes to an estimate, and the interval that follows from it.

Prompts are few in a study and texts are not symmetrically spread, and the plain t interval is then too narrow on one
side. Intervals here are Hall's: t after a transformation that takes out the skewness of the contributions
(Hall 1992, Journal of the Royal Statistical Society B 54, 221). Knows nothing of what is estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tempering.errors import ParameterError
from tempering.statistics.estimate import Estimate

Array = NDArray[np.float64]
CHUNK = 2**22


def known_values(values: ArrayLike, clusters: ArrayLike, confidence: float) -> tuple[Array, NDArray[np.generic]]:
    """Return the values that are not NaN, and the cluster of each.

    Raises:
        ParameterError: shapes differ, or confidence is outside (0, 1).
    """
    numbers, groups = np.asarray(values, dtype=np.float64), np.asarray(clusters)
    if numbers.ndim != 1 or groups.shape != numbers.shape:
        raise ParameterError(f"clusters must name the cluster of each of {numbers.size} values", field="clusters")
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence must be in (0, 1), got {confidence}", field="confidence")
    known = ~np.isnan(numbers)
    return numbers[known], groups[known]


def units_of(groups: NDArray[np.generic]) -> tuple[NDArray[np.intp], int, int]:
    """Return the unit of each value, how many units, and how many clusters. Values of a single cluster are the units.

    Example:
        >>> units_of(np.array(["a", "a", "b"]))[1:], units_of(np.array(["a", "a", "a"]))[1:]
        ((2, 2), (3, 1))
    """
    names, place = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        return np.arange(len(groups)), len(groups), 1
    return place.reshape(-1), len(names), len(names)


@dataclass(frozen=True)
class MeanParts:
    """A mean taken apart.

    Attributes:
        value: the mean of all values; NaN without any.
        sums: shape [units], the sum of each unit's values.
        sizes: shape [units], how many values each has.
        n: how many values.
        clusters: how many clusters.
    """

    value: float
    sums: Array
    sizes: Array
    n: int
    clusters: int

    @property
    def contributions(self) -> Array:
        """What each unit adds to the mean's error, shape [units], with mean 0: linear in the unit's values."""
        return np.asarray((self.sums - self.value * self.sizes) / self.sizes.mean(), np.float64)

    def estimate(self, bounds: tuple[float, float], confidence: float) -> Estimate:
        """Return the estimate with these bounds; NaN bounds where there are fewer than two units."""
        low, high = bounds if len(self.sums) > 1 else (math.nan, math.nan)
        return Estimate(self.value, low, high, self.n, self.clusters, confidence)


def mean_parts(values: ArrayLike, clusters: ArrayLike, confidence: float) -> MeanParts:
    """Return a mean taken apart into its units: clusters, or values where there is a single cluster."""
    kept, groups = known_values(values, clusters, confidence)
    if not len(kept):
        return MeanParts(math.nan, np.zeros(0), np.zeros(0), 0, 0)
    place, count, names = units_of(groups)
    sums = np.bincount(place, kept, count).astype(np.float64)
    return MeanParts(float(kept.mean()), sums, np.bincount(place, minlength=count).astype(np.float64), len(kept), names)


@dataclass(frozen=True)
class _Shape:
    """Scale and skewness of contributions, and Hall's monotone cubic g(t) with its inverse."""

    scale: float
    skewness: float
    units: int

    @classmethod
    def of(cls, contributions: Array) -> _Shape:
        count = len(contributions)
        centred = contributions - contributions.mean()
        scale = math.sqrt(float((centred**2).mean())) if count else 0.0
        # Equal contributions leave rounding errors, which are no spread.
        if scale <= 1e-12 * float(np.abs(contributions).max(initial=0.0)):
            scale = 0.0
        skewness = float((centred**3).mean()) / scale**3 if scale > 0 and count > 2 else 0.0
        return cls(scale, skewness, count)

    def forward(self, t: float) -> float:
        a = self.skewness / 3
        return t + a * t**2 + a**2 * t**3 / 3 + self.skewness / (6 * self.units)

    def inverse(self, u: float) -> float:
        a, shifted = self.skewness / 3, u - self.skewness / (6 * self.units)
        return (
            shifted
            if abs(a) < 1e-6
            else (math.copysign(abs(1 + 3 * a * shifted) ** (1 / 3), 1 + 3 * a * shifted) - 1) / a
        )


def interval(value: float, contributions: Array, confidence: float) -> tuple[float, float]:
    """Return Hall's interval of an estimate whose error is the mean of independent contributions.

    Args:
        value: the estimate.
        contributions: shape [units], at least 2, with mean 0.
        confidence: nominal coverage.
    """
    shape = _Shape.of(contributions)
    if shape.scale == 0:
        return value, value
    quantile = float(stats.t.ppf((1 + confidence) / 2, shape.units - 1)) / math.sqrt(shape.units - 1)
    return value - shape.scale * shape.inverse(quantile), value - shape.scale * shape.inverse(-quantile)


def tail(value: float, contributions: Array, null: float = 0.0) -> float:
    """Return the chance of an estimate as high as this if the truth were ``null``: the p that fits ``interval``.

    Where no contribution differs, t knows no limit: then the p is that of all units agreeing by chance, 2^-units.
    """
    shape = _Shape.of(contributions)
    if shape.scale == 0:
        return 0.5 if value == null else 2.0**-shape.units if value > null else 1 - 2.0**-shape.units
    statistic = shape.forward((value - null) / shape.scale) * math.sqrt(shape.units - 1)
    return float(stats.t.sf(statistic, shape.units - 1))


def p_value(value: float, contributions: Array, null: float = 0.0) -> float:
    """Return the two-sided p of the hypothesis that the truth is ``null``."""
    upper = tail(value, contributions, null)
    return min(1.0, 2 * min(upper, 1 - upper))


def jackknife(value: float, left_out: Array, confidence: float) -> tuple[float, float]:
    """Return the interval of any smooth statistic from its values with each unit left out in turn.

    Args:
        value: the statistic of all units, on a scale where its error is about symmetric.
        left_out: shape [units], the statistic without each.
        confidence: nominal coverage.
    """
    return interval(value, (len(left_out) - 1) * (left_out.mean() - left_out), confidence)


def standard_error(contributions: Array) -> float:
    """Return the standard error of an estimate from its contributions, ``sd / sqrt(units)``."""
    return float(contributions.std(ddof=1)) / math.sqrt(len(contributions))


@lru_cache(maxsize=16)
def resampling_weights(units: int, resamples: int, seed: int) -> Array:
    """Return how often each unit is drawn in each resample, shape [resamples, units]; read-only, as it is kept."""
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    weights = drawn.astype(np.float64)
    weights.flags.writeable = False
    return weights
