"""What measured values say of a curve over settings, with its uncertainty. Arrays only: knows no text, no goal.

The model: value = f(setting) + a(prompt) + b(prompt, setting) + e. f is a Gaussian process with a Matern 5/2 kernel
over the coordinates of the settings; a is what a prompt has at every setting, b how prompts differ in their curves, e
the spread of texts. Variances come from the residuals; the kernel's scale and length are averaged over a grid by their
marginal likelihood (Rasmussen and Williams 2006, ch. 5), a constant curve among them, as the scale cannot be known from
few settings. The means that f is learnt from are those of generalised least squares: prompts that two settings have in
common tell their difference, the others add what they can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
Whole = NDArray[np.int64]

LENGTHS = (0.32, 0.56, 1.0)
"""Lengths of the kernel, as shares of the searched range. Curves over T are smooth: shorter ones follow the noise."""

SCALES = (0.4, 0.8)
"""Scales of a curve that is not constant, in standard deviations of all values. With smaller ones as well
every curve is taken for nearly constant where texts are few, and the choice is left to chance."""

FLAT_PRIOR = 0.15
"""The prior probability that the curve is constant."""

INTERACTION_LENGTH = 0.3
"""Over this share of the range the way in which a prompt differs from the others stays alike."""

DRAWS = 400


@dataclass(frozen=True)
class Belief:
    """What is believed of a curve at every candidate setting.

    Attributes:
        mean: posterior mean, shape [candidates].
        deviation: posterior standard deviation, shape [candidates].
        draws: curves drawn from the posterior, shape [draws, candidates].
        flat: posterior probability that the curve is constant, in [0, 1].
    """

    mean: Values
    deviation: Values
    draws: Values
    flat: float


@dataclass(frozen=True)
class Means:
    """Values gathered by setting.

    Attributes:
        settings: the candidates that have values, ascending, shape [settings].
        mean: the mean at each, by generalised least squares over prompts, shape [settings].
        covariance: of those means, for new prompts like these, shape [settings, settings].
        n: how many values each rests on, shape [settings].
        spread: standard deviation of all values.
    """

    settings: Whole
    mean: Values
    covariance: Values
    n: Whole
    spread: float


def gather(values: ArrayLike, setting: ArrayLike, prompt: ArrayLike, coordinates: ArrayLike) -> Means:
    """Return the mean at each setting, and how these means vary together.

    Args:
        values: shape [n]; NaN is left out.
        setting: shape [n], the candidate that each was measured at.
        prompt: shape [n], its prompt.
        coordinates: place of every candidate, shape [candidates, dimensions]; the searched range has length 1.

    Raises:
        ValueError: no value is left.

    Example:
        >>> found = gather([1.0, 3.0, 2.0, 4.0], [0, 0, 5, 5], [0, 1, 0, 1], np.linspace(0, 1, 6)[:, None])
        >>> found.mean.tolist(), found.n.tolist()
        ([2.0, 3.0], [2, 2])
    """
    numbers, where, who = np.asarray(values, np.float64), np.asarray(setting), np.asarray(prompt)
    known = ~np.isnan(numbers)
    numbers, where, who = numbers[known], where[known], who[known]
    if not len(numbers):
        raise ValueError("there is no value to learn from")
    settings, at = np.unique(where, return_inverse=True)
    names, of = np.unique(who, return_inverse=True)
    shape = (len(names), len(settings))
    count, total, square = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(count, (of, at), 1)
    np.add.at(total, (of, at), numbers)
    np.add.at(square, (of, at), numbers**2)
    n = count.sum(axis=0)
    place = np.asarray(coordinates, np.float64)[settings]
    near = np.exp(-((_distances(place, place) / INTERACTION_LENGTH) ** 2) / 2)
    spread = float(numbers.std()) or 1e-9
    common, own, noise = _components(count, total, square, total.sum(axis=0) / n, near)
    mean, covariance = _generalised(count, total, common + own * near, np.maximum(noise, (1e-4 * spread) ** 2))
    return Means(settings, mean, covariance, n.astype(np.int64), spread)


def _generalised(count: Values, total: Values, shared: Values, noise: Values) -> tuple[Values, Values]:
    """Return the generalised least-squares means and their covariance, prompt by prompt."""
    settings = count.shape[1]
    information, weighted = np.zeros((settings, settings)), np.zeros(settings)
    for n, y in zip(count, total, strict=True):
        at = np.flatnonzero(n)
        block = np.ix_(at, at)
        own = _inverse(shared[block] + np.diag(noise[at] / n[at]))
        information[block] += own
        weighted[at] += own @ (y[at] / n[at])
    covariance = _inverse(information)
    mean: Values = covariance @ weighted
    return mean, covariance


def _inverse(matrix: Values) -> Values:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _components(
    count: Values, total: Values, square: Values, mean: Values, near: Values
) -> tuple[float, float, Values]:
    """Return the variance of prompts, of prompts at a setting, and of texts at each setting, by moments."""
    residual = total - count * mean  # sums of residuals of each prompt at each setting
    seen = (count > 0).astype(np.float64)
    average = np.divide(residual, count, out=np.zeros_like(residual), where=count > 0)
    pairs, products = seen.T @ seen, average.T @ average
    off = ~np.eye(len(mean), dtype=bool) & (pairs > 1)
    common = own = 0.0
    prompts = int(seen.any(axis=1).sum())
    if off.any() and prompts > 2:
        w, y, k = pairs[off], products[off] / pairs[off] * prompts / (prompts - 1), near[off]
        common, own = _two_positive(w, y, k)
    # The spread of texts at a setting borrows from its neighbours: a few right answers do not show it.
    n = count.sum(axis=0)
    whole = square.sum(axis=0) - n * mean**2
    freedom = np.maximum(n - 1, 0)
    pooled = whole.sum() / max(freedom.sum(), 1)
    closeness = near**2
    smooth = (closeness @ whole + 2 * pooled) / (closeness @ freedom + 2)
    return common, own, np.maximum(smooth - common - own, 0.1 * smooth)


def _two_positive(weight: Values, y: Values, k: Values) -> tuple[float, float]:
    """Return the least-squares a, b >= 0 of y = a + b k."""
    w = weight / weight.sum()
    my, mk = float(w @ y), float(w @ k)
    var = float(w @ (k - mk) ** 2)
    slope = float(w @ ((k - mk) * (y - my))) / var if var > 1e-12 else 0.0
    level = my - slope * mk
    if slope < 0:
        return max(my, 0.0), 0.0
    if level < 0:
        return 0.0, max(float(w @ (k * y)) / float(w @ k**2), 0.0)
    return level, slope


def believe(means: Means, coordinates: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Belief:
    """Return what the means say of the curve at every candidate.

    Args:
        means: from ``gather``.
        coordinates: as given to ``gather``.
        draws: how many curves to draw.
        seed: of the draws.

    Example:
        >>> x = np.linspace(0, 1, 11)[:, None]
        >>> found = believe(gather([0, 0, 1, 1, 0, 0], [0, 0, 5, 5, 10, 10], [0, 1, 0, 1, 0, 1], x), x)
        >>> int(found.mean.argmax()), found.draws.shape
        (5, (400, 11))
    """
    place = np.asarray(coordinates, np.float64)
    at, every = place[means.settings], len(place)
    apart, across = _distances(at, at), _distances(at, place)
    within = _distances(place, place)
    level = (3 * means.spread) ** 2
    centre = float(means.mean.mean())
    y = means.mean - centre
    base = means.covariance + np.eye(len(y)) * (1e-4 * means.spread) ** 2
    options = [(0.0, 1.0)] + [(scale, length) for scale in SCALES for length in LENGTHS]
    a = np.array([(scale * means.spread) ** 2 for scale, _ in options])[:, None, None]
    length = np.array([length for _, length in options])[:, None, None]
    total = base + level + a * _matern(apart[None] / length)
    lower = np.linalg.cholesky(total)
    half = np.linalg.solve(lower, np.broadcast_to(y[:, None], (len(options), len(y), 1)))[..., 0]
    evidence = -0.5 * (half**2).sum(axis=1) - np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
    prior = np.full(len(options), (1 - FLAT_PRIOR) / (len(options) - 1))
    prior[0] = FLAT_PRIOR
    weight = prior * np.exp(evidence - evidence.max())
    weight /= weight.sum()
    kept = weight > 1e-3
    weight = np.where(kept, weight, 0.0) / weight[kept].sum()
    generator = np.random.default_rng(seed)
    shares = generator.multinomial(draws, weight)
    mean, second, drawn = np.zeros(every), np.zeros(every), []
    for index in np.flatnonzero(kept):
        cross = level + a[index] * _matern(across / length[index])
        gain = np.linalg.solve(lower[index], cross)
        own = gain.T @ half[index]
        spread = level + a[index] * _matern(within / length[index]) - gain.T @ gain
        variance = np.maximum(np.diagonal(spread), 0.0)
        mean += weight[index] * own
        second += weight[index] * (variance + own**2)
        if shares[index]:
            root = _root(spread)
            drawn.append(own + generator.standard_normal((shares[index], every)) @ root.T)
    deviation = np.sqrt(np.maximum(second - mean**2, 0.0))
    return Belief(mean + centre, deviation, np.concatenate(drawn) + centre, float(weight[0]))


def _root(covariance: Values) -> Values:
    """Return a square root of a covariance that rounding may have left without full rank."""
    values, vectors = np.linalg.eigh(covariance)
    root: Values = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def _matern(distance: Values) -> Values:
    scaled = np.sqrt(5.0) * distance
    found: Values = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return found


def _distances(first: Values, second: Values) -> Values:
    found: Values = np.sqrt(((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=-1))
    return found
