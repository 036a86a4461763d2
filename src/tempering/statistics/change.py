"""Change points: the setting from which a value depends on it in another way, or the answer that there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from tempering.errors import ParameterError
from tempering.statistics.clusters import Array, resampling_weights, t_quantile
from tempering.statistics.curve import SettingMeans, setting_means
from tempering.statistics.estimate import Estimate

RESAMPLES = 1000
STEPS = 81


@dataclass(frozen=True)
class ChangePoint:
    """Where the slope changes.

    Attributes:
        at: the setting of the change with its interval; value and bounds are NaN where no change is detected.
        before: the slope before it (or the slope of all, where there is no change).
        after: the slope after it.
        statistic: the largest |t| of a change of slope over all places.
        critical: what it would have to exceed.
        detected: whether it does.
    """

    at: Estimate
    before: float
    after: float
    statistic: float
    critical: float
    detected: bool


def change_point(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ChangePoint:
    """Look for one change of slope: two joined lines against one line.

    A change is detected where the largest |t| of a change of slope, over all places between the second setting and the
    last but one, exceeds what it reaches by chance (the multivariate t over clusters). Its place is that of least
    squares; the interval holds the places that fit nearly as well, by as much as resamples of whole clusters around the
    fit miss their own best place.

    Args:
        x: shape [n], finite; at least five settings.
        y: shape [n]; NaN is left out.
        clusters: shape [n].
        confidence: of the interval, in (0, 1).
        alpha: the level of the test, in (0, 1); divide it by the number of tests where there are several.
        resamples: how many, >= 2.
        seed: of draws and resamples.

    Raises:
        ParameterError: shapes differ, x is not finite, or fewer than five settings or two units.

    Example:
        >>> x = [0.0, 0.5, 1.0, 1.5, 2.0] * 6
        >>> rise = [0.0, 0.0, 0.0, 1.0, 2.0]
        >>> y = [r + 0.1 * ((i * 7 + j * 3) % 5) for i in range(6) for j, r in enumerate(rise)]
        >>> found = change_point(x, y, [i for i in range(6) for _ in rise])
        >>> found.detected, round(found.at.value, 1)
        (True, 1.0)
    """
    if resamples < 2:
        raise ParameterError(f"resamples must be at least 2, got {resamples}", field="resamples")
    if not 0 < alpha < 1:
        raise ParameterError(f"alpha must be in (0, 1), got {alpha}", field="alpha")
    means = setting_means(x, y, clusters, confidence)
    if len(means.x) < 5:
        raise ParameterError("a change point needs five settings", field="x")
    weights = means.n / means.n.mean()
    places = np.linspace(means.x[1], means.x[-2], STEPS)
    designs = [np.column_stack([np.ones(len(means.x)), means.x, np.maximum(means.x - place, 0)]) for place in places]
    solvers = [np.linalg.solve(d.T @ (weights[:, None] * d), d.T * weights) for d in designs]
    hinges = np.array([solver[2] for solver in solvers]).T
    errors, slopes = means.errors(hinges), means.means @ hinges
    # Rounding errors are neither spread nor slope.
    tiny = 1e-10 * (np.abs(means.means).max() + np.abs(means.contributions).max()) * np.abs(hinges).sum(axis=0)
    ratios = np.abs(slopes) / np.maximum(errors, np.maximum(tiny / 1e10, 1e-300))
    statistic = float(np.where(np.abs(slopes) > tiny, ratios, 0.0).max())
    # What prompts share as level or slope is no part of a hinge's error, and would hide how its parts move together.
    flat = np.column_stack([np.ones(len(means.x)), means.x])
    onto = np.eye(len(means.x)) - weights[:, None] * flat @ np.linalg.solve(flat.T @ (weights[:, None] * flat), flat.T)
    rest = replace(means, contributions=means.contributions @ onto)
    critical = rest.highest(hinges, 1 - alpha, seed)
    n = int(means.n.sum())
    if statistic <= critical:
        line = float(np.polynomial.polynomial.polyfit(means.x, means.means, 1, w=np.sqrt(weights))[1])
        none = Estimate(math.nan, math.nan, math.nan, n, means.clusters, confidence)
        return ChangePoint(none, line, line, statistic, critical, False)
    misfits = [np.eye(len(means.x)) - d @ s for d, s in zip(designs, solvers, strict=True)]
    left = _left(means.means[None], misfits, weights)[:, 0]
    best = int(left.argmin())
    again = _left(_resampled(means, designs[best] @ solvers[best] @ means.means, resamples, seed), misfits, weights)
    # Few units vary as t does, not as their resamples do.
    few = (t_quantile(len(means.contributions) - 1, confidence) / t_quantile(math.inf, confidence)) ** 2
    near = places[left - left[best] <= few * np.quantile(again[best] - again.min(axis=0), confidence)]
    step = (places[1] - places[0]) / 2
    _, before, change = solvers[best] @ means.means
    low, high = float(near.min() - step), float(near.max() + step)
    at = Estimate(float(places[best]), low, high, n, means.clusters, confidence)
    return ChangePoint(at, float(before), float(before + change), statistic, critical, True)


def _resampled(means: SettingMeans, fitted: Array, resamples: int, seed: int) -> Array:
    """Return what resamples of k units would show around a fit, spread by sqrt(k / (k - 1)); [resamples, settings]."""
    units = len(means.contributions)
    shifts = resampling_weights(units, resamples, seed) @ means.contributions / units
    return np.asarray(fitted + math.sqrt(units / (units - 1)) * shifts, np.float64)


def _left(means: Array, misfits: list[Array], weights: Array) -> Array:
    """Return the squares that a change at each place leaves, for each row of means; shape [places, rows]."""
    return np.array([(((means @ misfit.T) ** 2) * weights).sum(axis=1) for misfit in misfits])
