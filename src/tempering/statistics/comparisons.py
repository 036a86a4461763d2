"""Comparisons between settings: paired by common noise, corrected for how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.statistics.effects import cliffs_delta, cohens_d
from tempering.statistics.estimate import Estimate
from tempering.statistics.means import mean_p, t_mean
from tempering.statistics.power import Equivalence, equivalence, smallest_detectable_effect


@dataclass(frozen=True)
class Comparison:
    """Two settings compared on the same prompts and noise.

    Attributes:
        first: the setting compared with.
        second: the setting compared.
        difference: the mean of second minus first; its interval is of this comparison alone.
        p: two-sided, of this comparison alone; NaN where it cannot be had.
        p_holm: corrected for all comparisons made.
        d: Cohen's d of pairs.
        delta: Cliff's delta.
        detectable: the smallest difference that would be found with power 0.8 at the strictest level of the correction.
        equivalence: whether the difference is too small to matter; None without a margin. Its p is of this comparison
            alone.
        alpha: the family-wise level.
    """

    first: float
    second: float
    difference: Estimate
    p: float
    p_holm: float
    d: Estimate
    delta: Estimate
    detectable: Estimate
    equivalence: Equivalence | None
    alpha: float

    @property
    def detected(self) -> bool:
        """Whether the settings differ at the family-wise level."""
        return self.p_holm < self.alpha


def paired_comparisons(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike,
    samples: ArrayLike,
    *,
    reference: float | None = None,
    margin: float | None = None,
    tests: int | None = None,
    confidence: float = 0.95,
) -> tuple[Comparison, ...]:
    """Compare settings two by two on the values they share: same cluster, same sample, so the same noise.

    The test is that of ``mean_p``, t over clusters of the mean difference, corrected for skewness; p is
    corrected by Holm (1979), so that the chance of any false alarm stays below 1 - confidence.

    Args:
        x: shape [n], the setting of each value.
        y: shape [n], the values; a pair with a NaN is left out.
        clusters: shape [n], prompts.
        samples: shape [n], the sample index; with the cluster it names the pair.
        reference: compare every setting with this one; every setting with every other if None.
        margin: up to where a difference is too small to matter, > 0; the caller's judgement, made before the data.
        tests: how many comparisons are made in all, for ``detectable``; those here unless given.
        confidence: 1 - the family-wise level, in (0, 1).

    Returns:
        A comparison a pair of settings, ordered by them.

    Raises:
        ParameterError: shapes differ, a pair has two values at one setting, or the reference is not among the settings.

    Example:
        >>> x, y = [0, 0, 0, 0, 1, 1, 1, 1], [1.0, 2.0, 3.0, 4.0, 1.5, 2.6, 3.4, 4.5]
        >>> [found] = paired_comparisons(x, y, [0, 1, 2, 3] * 2, [0] * 8)
        >>> found.difference.value, found.detected
        (0.5, True)
    """
    settings, table, groups = pair_table(x, y, clusters, samples)
    if reference is not None and reference not in settings:
        raise ParameterError(f"reference {reference:g} is not among the settings", field="reference")
    places = list(combinations(range(len(settings)), 2))
    if reference is not None:
        base = settings.index(reference)
        places = [(base, other) for other in range(len(settings)) if other != base]
    alpha = 1 - confidence
    level = alpha / (tests or len(places) or 1)
    p_values = pair_p_values(table, groups, places)
    found = []
    for (first, second), p, corrected in zip(places, p_values, holm(p_values), strict=True):
        before, after = table[:, first], table[:, second]
        change = after - before
        found.append(
            Comparison(
                first=settings[first],
                second=settings[second],
                difference=t_mean(change, groups, confidence=confidence),
                p=p,
                p_holm=corrected,
                d=cohens_d(before, after, groups, confidence=confidence),
                delta=cliffs_delta(before, after, groups, confidence=confidence),
                detectable=smallest_detectable_effect(change, groups, alpha=level, confidence=confidence),
                equivalence=None if margin is None else equivalence(change, groups, margin, confidence=confidence),
                alpha=alpha,
            )
        )
    return tuple(found)


def pair_p_values(
    table: NDArray[np.float64], groups: NDArray[np.generic], places: Sequence[tuple[int, int]]
) -> list[float]:
    """Return the uncorrected p of each pair of columns of ``pair_table``; NaN with fewer than two units."""
    return [mean_p(table[:, second] - table[:, first], groups) for first, second in places]


def pair_table(
    x: ArrayLike, y: ArrayLike, clusters: ArrayLike, samples: ArrayLike
) -> tuple[list[float], NDArray[np.float64], NDArray[np.generic]]:
    """Return the settings, a table of shape [pairs, settings] (NaN: no value) and the cluster of each row."""
    setting, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    groups, indices = np.asarray(clusters), np.asarray(samples)
    if not setting.shape == values.shape == groups.shape == indices.shape or setting.ndim != 1:
        raise ParameterError("x, y, clusters and samples must have one entry a value", field="y")
    settings, column = np.unique(setting, return_inverse=True)
    names, group = np.unique(groups, return_inverse=True)
    _, index = np.unique(indices, return_inverse=True)
    pairs, row = np.unique(np.stack([group.reshape(-1), index.reshape(-1)]), axis=1, return_inverse=True)
    row = row.reshape(-1)
    taken = np.unique(np.stack([row, column]), axis=1)
    if taken.shape[1] < len(values):
        raise ParameterError("a pair (cluster and sample) has two values at one setting", field="samples")
    table = np.full((pairs.shape[1], len(settings)), np.nan)
    table[row, column] = values
    return settings.tolist(), table, names[pairs[0]]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for all of them by Holm's steps; NaN stays and is not counted.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, highest = [math.nan] * len(p_values), 0.0
    for step, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - step) * p))
        corrected[place] = highest
    return corrected
