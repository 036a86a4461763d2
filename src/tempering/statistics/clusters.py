"""Values in clusters: what each cluster contributes to an estimate, and the interval that follows from it.

Prompts are few in a study and texts are not symmetrically spread, and the plain t interval is then too narrow on one
side. An interval here reaches on each side as far as plain t or as t after Hall's exponential transformation, whichever
is farther (Hall 1992, Journal of the Royal Statistical Society B 54, 221): the side of the tail is lengthened, to about
twice at most, and the other is not shortened, as few prompts show skewness badly. Tests are the same intervals turned
round: p is the level at which the interval ends at the null. Knows nothing of what is estimated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from tempering.errors import ParameterError
from tempering.statistics.estimate import Estimate

Array = NDArray[np.float64]
CHUNK = 2**22
EDGE = 1 - 1e-12
LIMIT = 0.8
"""The longest correction, as a share of where the transformation ends."""


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


def t_quantile(df: float, confidence: float) -> float:
    """Return the two-sided quantile of t.

    Example:
        >>> round(t_quantile(7, 0.95), 3)
        2.365
    """
    return float(special.stdtrit(df, (1 + confidence) / 2))


@dataclass(frozen=True)
class _Shape:
    """Scale and skewness of contributions.

    Hall's transformation is g(t) = (exp(bend t) - 1) / bend + bend / (4 units), with t in units of the scale.
    """

    scale: float
    skewness: float
    units: int

    @classmethod
    def of(cls, contributions: Array) -> _Shape:
        count = len(contributions)
        centred = contributions - contributions.mean()
        scale = math.sqrt(float((centred**2).mean()))
        # Equal contributions leave rounding errors, which are no spread; cubes of the smallest numbers are nothing.
        if scale <= 1e-12 * float(np.abs(contributions).max()) or scale < 1e-90:
            return cls(0.0, 0.0, count)
        # Without the bias that the skewness of few units has.
        skewness = float((centred**3).mean()) / scale**3 * math.sqrt(count * (count - 1)) / max(count - 2, 1)
        return cls(scale, skewness, count)

    def reach(self, quantile: float, *, below: bool) -> float:
        """Return how far an interval goes below or above the estimate, in units of the scale.

        Args:
            quantile: t's over sqrt(units - 1).
            below: which side.
        """
        limit = LIMIT / (quantile + abs(self.skewness) / (6 * self.units))
        bend = min(max(2 * self.skewness / 3, -limit), limit) * (1 if below else -1)
        if abs(bend) < 1e-6:
            return quantile
        return max(quantile, math.log1p(bend * (quantile - bend / (4 * self.units))) / bend)


def interval(value: float, contributions: Array, confidence: float) -> tuple[float, float]:
    """Return the interval of an estimate whose error is the mean of independent contributions.

    Args:
        value: the estimate.
        contributions: shape [units], at least 2, with mean 0.
        confidence: nominal coverage.
    """
    shape = _Shape.of(contributions)
    if shape.scale == 0:
        return value, value
    quantile = t_quantile(shape.units - 1, confidence) / math.sqrt(shape.units - 1)
    below, above = (shape.scale * shape.reach(quantile, below=side) for side in (True, False))
    return value - below, value + above


def tail(value: float, contributions: Array, null: float = 0.0, *, upper: bool = True) -> float:
    """Return a one-sided p: the chance of an estimate as high as this (or as low) if the truth were ``null``.

    It is the level at which the interval ends at ``null``. Where no contribution differs, t knows no limit: then the p
    is that of all units agreeing by chance, 2^-units.
    """
    shape, beyond = _Shape.of(contributions), (value - null) * (1 if upper else -1)
    if shape.scale == 0:
        return 0.5 if beyond == 0 else 2.0**-shape.units if beyond > 0 else 1 - 2.0**-shape.units
    quantile = distance = beyond / shape.scale
    if distance > 0:
        low, high = distance / 4, distance
        for _ in range(40):
            quantile = (low + high) / 2
            if shape.reach(quantile, below=upper) < distance:
                low = quantile
            else:
                high = quantile
    return float(special.stdtr(shape.units - 1, -quantile * math.sqrt(shape.units - 1)))


def p_value(value: float, contributions: Array, null: float = 0.0) -> float:
    """Return the two-sided p of the hypothesis that the truth is ``null``."""
    return min(1.0, 2 * min(tail(value, contributions, null, upper=upper) for upper in (True, False)))


def left_out_contributions(left_out: Array) -> Array:
    """Return what each unit adds to the error of a statistic, from its values with each unit left out in turn.

    The jackknife's, times sqrt((k - 1) / k) for k units, as its variance is biased upwards (Efron and Stein 1981,
    doi 10.1214/aos/1176345462).
    """
    count = len(left_out)
    return np.asarray(math.sqrt((count - 1) ** 3 / count) * (left_out.mean() - left_out), np.float64)


def jackknife(value: float, left_out: Array, confidence: float) -> tuple[float, float]:
    """Return the interval of any smooth statistic from its values with each unit left out in turn.

    Args:
        value: the statistic of all units, on a scale where its error is about symmetric.
        left_out: shape [units], the statistic without each.
        confidence: nominal coverage.
    """
    return interval(value, left_out_contributions(left_out), confidence)


def fisher(rho: ArrayLike) -> Array:
    """Return correlations on Fisher's scale, atanh(rho); +-1 is far, not infinite."""
    return np.asarray(np.arctanh(np.clip(np.asarray(rho, np.float64), -EDGE, EDGE)), np.float64)


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
