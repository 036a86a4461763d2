"""A value over a setting: a curve with a band that covers all of it at once.

The curves are linear in the means of the settings, or (monotone) made from their band; each prompt's contribution to
every mean is kept, so that the band knows how the means move together. Knows nothing of what the setting is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.interpolate import CubicSpline

from tempering.errors import ParameterError
from tempering.statistics.clusters import CHUNK, Array, known_values, t_quantile, units_of

Shape = Literal["means", "monotone", "smooth"]
DRAWS = 2000
POINTS = 61


@dataclass(frozen=True)
class SettingMeans:
    """The mean at each setting, and what each unit adds to its error.

    Attributes:
        x: shape [settings], ascending.
        means: shape [settings].
        contributions: shape [units, settings], each column with mean 0.
        n: shape [settings], values at each.
        clusters: how many clusters.
    """

    x: Array
    means: Array
    contributions: Array
    n: Array
    clusters: int

    def highest(self, directions: Array, confidence: float, seed: int) -> float:
        """Return the quantile of max over directions of |t|, t a linear function of the means over its standard error.

        From Gaussian studies with the correlation that the contributions show. Each direction's error is estimated in
        each of them, as it is here: with few units that makes the largest |t| larger.

        Args:
            directions: shape [settings, functions].
            confidence: the level.
            seed: of the draws.
        """
        units, factor = len(self.contributions), self._factor() @ directions
        scale = np.sqrt((factor**2).sum(axis=0))
        if not scale.any():
            return t_quantile(units - 1, confidence)
        factor = factor[:, scale > 0] / scale[scale > 0]
        generator, drawn = np.random.default_rng(seed), np.empty(DRAWS)
        step = max(1, CHUNK // (units * max(factor.shape)))
        for start in range(0, DRAWS, step):
            study = generator.normal(size=(min(step, DRAWS - start), units, len(factor))) @ factor
            t = study.mean(axis=1) / study.std(axis=1) * math.sqrt(units - 1)
            drawn[start : start + step] = np.abs(t).max(axis=1)
        return float(np.quantile(drawn, confidence))

    def _factor(self) -> Array:
        """Return a root of the covariance of the contributions, shape [settings, settings].

        Few units show correlations that are too strong: they are drawn to 0, by Schaefer and Strimmer's share (2005).
        """
        units, count = self.contributions.shape
        covariance = self.contributions.T @ self.contributions / (units - 1)
        spread = np.sqrt(np.diag(covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.nan_to_num(covariance / np.outer(spread, spread))
        others = ~np.eye(count, dtype=bool)
        seen = float((correlation[others] ** 2).sum())
        noise = float(((1 - correlation[others] ** 2) ** 2).sum()) / (units - 1)
        covariance[others] *= 1 - min(1.0, noise / seen) if seen > 0 else 1.0
        size, axes = np.linalg.eigh(covariance)
        return np.asarray(np.sqrt(np.maximum(size, 0))[:, None] * axes.T, np.float64)

    def errors(self, directions: Array) -> Array:
        """Return the standard errors of linear functions of the means, shape [functions]."""
        units = len(self.contributions)
        squares = ((self.contributions @ directions) ** 2).sum(axis=0)
        return np.asarray(np.sqrt(squares / (units * (units - 1))), np.float64)


@dataclass(frozen=True)
class CurveBand:
    """A curve with a simultaneous band.

    Attributes:
        x: shape [points].
        value: the curve at x.
        low: the lower edge of the band; the whole of the true curve lies in the band with the stated confidence.
        high: the upper edge.
        shape: ``means`` (the means themselves), ``monotone`` or ``smooth``.
        n: how many values.
        clusters: how many clusters.
        confidence: nominal coverage of the whole curve.
    """

    x: Array
    value: Array
    low: Array
    high: Array
    shape: Shape
    n: int
    clusters: int
    confidence: float


def setting_means(x: ArrayLike, y: ArrayLike, clusters: ArrayLike, confidence: float) -> SettingMeans:
    """Return means and contributions; values of a single cluster are the units.

    Raises:
        ParameterError: shapes differ, x is not finite, or fewer than two units.
    """
    setting = np.asarray(x, np.float64)
    values = np.asarray(y, np.float64)
    if setting.shape != values.shape:
        raise ParameterError("x, y and clusters must have one entry a value", field="x")
    setting = setting[~np.isnan(values)]
    values, groups = known_values(values, clusters, confidence)
    if not np.isfinite(setting).all():
        raise ParameterError("a curve needs finite settings; leave T = inf out", field="x")
    place, units, names = units_of(groups) if len(groups) else (np.zeros(0, np.intp), 0, 0)
    if units < 2:
        raise ParameterError("a curve with a band needs values of two clusters, or two values of one", field="y")
    points, column = np.unique(setting, return_inverse=True)
    sums, sizes = np.zeros((units, len(points))), np.zeros((units, len(points)))
    np.add.at(sums, (place, column), values)
    np.add.at(sizes, (place, column), 1.0)
    n = sizes.sum(axis=0)
    means = sums.sum(axis=0) / n
    return SettingMeans(points, means, (sums - means * sizes) * units / n, n, names)


def curve_band(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike,
    *,
    shape: Shape = "smooth",
    rising: bool | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> CurveBand:
    """Estimate how the mean depends on a setting, with a band for the whole curve at once.

    ``means`` joins nothing: a value a setting. ``smooth`` is the natural cubic spline whose roughness generalised
    cross-validation chooses (Green and Silverman 1994, ch. 2 and 3); the band is of the smoothed curve, so a corner
    sharper than the settings are apart is rounded. ``monotone`` is isotonic regression; its band is that of the means,
    narrowed to where a monotone curve can run, and keeps its coverage if the truth is monotone.

    Args:
        x: shape [n], finite settings.
        y: shape [n]; NaN is left out.
        clusters: shape [n].
        shape: see above.
        rising: the direction of ``monotone``; None takes the direction that fits better.
        confidence: nominal coverage of the whole curve, in (0, 1).
        seed: of the draws for the band's width.

    Returns:
        The curve at the settings, or for ``smooth`` at 61 points between the first and the last.

    Raises:
        ParameterError: shapes differ, x is not finite, too few units, or under three settings for ``smooth``.

    Example:
        >>> x, y = [0, 1, 2] * 4, [1, 2, 4, 2, 2, 5, 1, 3, 4, 0, 2, 5]
        >>> band = curve_band(x, y, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], shape="monotone")
        >>> band.value.tolist(), bool((band.low <= band.value).all())
        ([1.0, 2.25, 4.5], True)
    """
    means = setting_means(x, y, clusters, confidence)
    grid, smoother = means.x, np.eye(len(means.x))
    if shape == "smooth":
        if len(means.x) < 3:
            raise ParameterError("a smooth curve needs three settings", field="x")
        grid = np.linspace(means.x[0], means.x[-1], POINTS)
        smoother = CubicSpline(means.x, _smoother(means), bc_type="natural")(grid)
    directions = smoother.T
    half = means.highest(directions, confidence, seed) * means.errors(directions)
    value = smoother @ means.means
    low, high = value - half, value + half
    if shape == "monotone":
        sign = _direction(means) if rising is None else (1.0 if rising else -1.0)
        lower, upper = (low, high) if sign > 0 else (-high, -low)
        value = sign * optimize.isotonic_regression(sign * value, weights=means.n).x
        # A rising curve is at least what it was anywhere before and at most what it is anywhere after.
        lower, upper = np.maximum.accumulate(lower), np.minimum.accumulate(upper[::-1])[::-1]
        low, high = (lower, upper) if sign > 0 else (-upper, -lower)
        low, high = np.minimum(low, value), np.maximum(high, value)
    return CurveBand(grid, value, low, high, shape, int(means.n.sum()), means.clusters, confidence)


def _direction(means: SettingMeans) -> float:
    """Return 1 where a rising isotonic fit leaves less than a falling one, else -1."""
    left = [
        float(
            (
                means.n
                * (sign * means.means - optimize.isotonic_regression(sign * means.means, weights=means.n).x) ** 2
            ).sum()
        )
        for sign in (1, -1)
    ]
    return 1.0 if left[0] <= left[1] else -1.0


def _smoother(means: SettingMeans) -> Array:
    """Return the matrix of the natural cubic smoothing spline, shape [settings, settings], roughness by GCV."""
    x, weights = means.x, means.n / means.n.mean()
    h, count = np.diff(x), len(x)
    q, r = np.zeros((count, count - 2)), np.zeros((count - 2, count - 2))
    for j in range(count - 2):
        q[j : j + 3, j] = 1 / h[j], -1 / h[j] - 1 / h[j + 1], 1 / h[j + 1]
        r[j, j] = (h[j] + h[j + 1]) / 3
        if j + 1 < count - 2:
            r[j, j + 1] = r[j + 1, j] = h[j + 1] / 6
    roughness = q @ np.linalg.solve(r, q.T)
    best, least = np.eye(count), math.inf
    for penalty in np.geomspace(1e-6, 1e4, 51) * (x[-1] - x[0]) ** 3:
        matrix = np.linalg.solve(np.diag(weights) + penalty * roughness, np.diag(weights))
        left = means.means - matrix @ means.means
        free = count - float(np.trace(matrix))
        score = float((weights * left**2).sum()) / free**2 if free > 1e-6 else math.inf
        if score < least:
            best, least = matrix, score
    return np.asarray(best, np.float64)
