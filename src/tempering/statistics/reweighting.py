"""One set of samples, many settings: importance reweighting, with a gate that refuses. Arrays only: no text, no model.

Every p_T(x) of a language model is normalised, so the multistate estimator is the balance heuristic (Veach and Guibas
1995): w(x) = p*(x) / sum_k (N_k / N) p_k(x), estimate = sum w f / sum w. Its weights have the mean 1 exactly, so a mean
far from 1 says that the samples miss a part of the target, which the effective sample size cannot see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from tempering.errors import ParameterError
from tempering.statistics.clusters import t_quantile
from tempering.statistics.estimate import Estimate

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Gate:
    """What must hold before an estimate is given.

    Attributes:
        ess: the least effective sample size of the weights.
        influence: the least effective number of values that make up the error, see ``Reweighted``.
        pareto_k: the largest tail shape, of the weights and of the weighted deviations of the values.
        miss: how far the mean weight may lie from 1.
    """

    ess: float
    influence: float
    pareto_k: float
    miss: float


GATE = Gate(ess=40.0, influence=80.0, pareto_k=0.5, miss=0.1)
"""Chosen by coverage on models with known answers (``benchmarks/reweighting.py``, docs/temperature.md)."""


@dataclass(frozen=True)
class Reweighted:
    """A mean at settings that were not sampled.

    Attributes:
        estimate: of the mean; NaN where it cannot be trusted.
        slope: of the derivative of the mean by T; None without scores, NaN where it cannot be trusted.
        ess: effective sample size of the weights, (sum w)^2 / sum w^2 (Kong 1992).
        influence: effective number of values that make up the estimate's error: the same of w |f - mean|.
        pareto_k: shape of the tail of the weights, or of w |f - mean| if that is heavier (Vehtari et al. 2024).
        mean_weight: 1 if the samples cover the target; below 1 they miss a part of it.
        trusted: whether the gate lets it pass.
        why: if not, what failed, in words.
    """

    estimate: Estimate
    slope: Estimate | None
    ess: float
    influence: float
    pareto_k: float
    mean_weight: float
    trusted: bool
    why: str


def reweight(
    values: ArrayLike,
    clusters: ArrayLike,
    sources: ArrayLike,
    log_sources: ArrayLike,
    log_target: ArrayLike,
    *,
    scores: ArrayLike | None = None,
    units: ArrayLike | None = None,
    confidence: float = 0.95,
    gate: Gate = GATE,
) -> Reweighted:
    """Estimate the mean of values at settings that were not sampled, from samples at others.

    The interval is the jackknife of the ratio over clusters (prompts) with t(k - 1); with a single cluster over the
    units inside it, with t of the effective sample size (or of the units, if they are fewer) less 1.

    Args:
        values: shape [n], one a sample; NaN (undefined) is left out of the mean, not of the diagnosis.
        clusters: shape [n], the prompt of each sample.
        sources: shape [n], whole numbers in [0, k): the setting that each sample was drawn at, without truncation.
        log_sources: shape [n, k], the log-probability of each whole sample under every source setting, nats.
        log_target: shape [n], the same under the target setting; -inf where it cannot draw the sample.
        scores: shape [n], d log p / dT of each sample at the target, for the slope.
        units: shape [n], what is independent inside a single cluster: samples that share their noise over T (the same
            sample index) are one. Each sample by itself unless given; plays no part with several clusters.
        confidence: nominal coverage, in (0, 1).
        gate: what must hold for an answer.

    Returns:
        The estimate, or NaN with the reason.

    Raises:
        ParameterError: shapes differ, a source is out of range, or a sample is impossible under its own source.

    Example:
        >>> coin = np.array([0, 1] * 100)  # drawn at p(1) = 1/2, asked at p(1) = 0.6
        >>> half, target = np.log(np.full((200, 1), 0.5)), np.log(np.where(coin == 1, 0.6, 0.4))
        >>> found = reweight(coin, [0] * 200, [0] * 200, half, target)
        >>> round(found.estimate.value, 6), round(found.ess), round(found.mean_weight, 6), found.trusted
        (0.6, 192, 1.0, True)
    """
    f, names, source, log_k, log_t = _checked(values, clusters, sources, log_sources, log_target)
    if not 0 < confidence < 1:
        raise ParameterError(f"confidence must be in (0, 1), got {confidence}", field="confidence")
    weights = np.exp(log_t - _log_mixture(names, source, log_k))
    known = ~np.isnan(f)
    w, f, places = weights[known], f[known], names[known]
    total, prompts = float(w.sum()), len(np.unique(places))
    if total == 0:
        none = _nothing(len(w), prompts, confidence)
        empty = none if scores is not None else None
        why = "no sample is possible at these settings" if known.any() else "the value is undefined in every sample"
        return Reweighted(none, empty, 0.0, 0.0, math.inf, 0.0, False, why)
    mean = float(w @ f) / total
    deviations = w * np.abs(f - mean)
    if deviations.max() <= 1e-9 * float((w * np.abs(f)).max()):
        deviations = np.zeros_like(w)  # rounding: every sample that counts has the same value
    ess, influence = _effective(w), _effective(deviations)
    k, mean_weight = max(pareto_k(weights), pareto_k(deviations)), float(weights.mean())
    why = _refused(gate, ess, influence, k, mean_weight)
    spread = [] if scores is None else [np.asarray(scores, dtype=np.float64)[known]]
    slopes = [s - float(w @ s) / total for s in spread]
    inside = np.arange(len(known)) if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    estimates = [
        _nothing(len(w), prompts, confidence)
        if why
        else _interval(w, item, places, inside[known], ess=ess, confidence=confidence)
        for item in (f, *((f - mean) * s for s in slopes))
    ]
    slope = estimates[1] if len(estimates) > 1 else None
    return Reweighted(estimates[0], slope, ess, influence, k, mean_weight, not why, why)


def pareto_k(weights: ArrayLike) -> float:
    """Return the shape k of a generalised Pareto distribution fitted to the largest weights.

    The tail is the min(n/5, 3 sqrt n) largest (Vehtari, Simpson, Gelman, Yao and Gabry 2024, "Pareto smoothed
    importance sampling"); the fit is Zhang and Stephens' (2009) with the paper's weak prior towards 1/2. The variance
    of the weights is infinite from k = 1/2 on, their mean from 1 on.

    Returns:
        k; -inf if the largest weights are all equal; inf if there are fewer than 5 to fit.

    Example:
        >>> tail = np.random.default_rng(0).pareto(2.0, 100_000)  # k = 1/2
        >>> round(pareto_k(tail), 1)
        0.5
    """
    w = np.sort(np.asarray(weights, dtype=np.float64))
    size = math.ceil(min(len(w) / 5, 3 * math.sqrt(len(w))))
    if size < 5:
        return math.inf
    excess = w[-size:] - w[-size - 1]
    if excess[-1] <= 1e-12 * w[-1]:
        return -math.inf
    return _generalised_pareto(excess[excess > 0])


def _generalised_pareto(x: Values) -> float:
    """Return the shape from ascending excesses over a threshold: Zhang and Stephens (2009), posterior mean of theta."""
    n = len(x)
    points = 30 + math.isqrt(n)
    quartile = x[max(0, math.floor(n / 4 + 0.5) - 1)]
    theta = 1 / x[-1] + (1 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))) / (3 * quartile)
    theta = theta[theta != 0]
    shapes = np.log1p(-theta[:, None] * x).mean(axis=1)
    profile = n * (np.log(-theta / shapes) - shapes - 1)
    best = float(special.softmax(profile) @ theta)
    shape = float(np.log1p(-best * x).mean())
    return (n * shape + 10 * 0.5) / (n + 10)


def _checked(
    values: ArrayLike, clusters: ArrayLike, sources: ArrayLike, log_sources: ArrayLike, log_target: ArrayLike
) -> tuple[Values, NDArray[np.intp], NDArray[np.intp], Values, Values]:
    f, log_k, log_t = (np.asarray(item, dtype=np.float64) for item in (values, log_sources, log_target))
    names, source = np.asarray(clusters), np.asarray(sources)
    if f.ndim != 1 or log_k.ndim != 2 or not f.shape == names.shape == source.shape == log_t.shape == log_k.shape[:1]:
        raise ParameterError(
            "every sample needs a value, a cluster, a source and its log-probabilities", field="values"
        )
    if not len(f) or source.dtype.kind not in "iu" or not 0 <= source.min() <= source.max() < log_k.shape[1]:
        raise ParameterError(f"sources must be whole numbers in [0, {log_k.shape[1]})", field="sources")
    if np.isneginf(log_k[np.arange(len(f)), source]).any() or np.isnan(log_k).any() or np.isnan(log_t).any():
        raise ParameterError("a sample is impossible under the setting that it was drawn at", field="log_sources")
    return f, np.unique(names, return_inverse=True)[1], source.astype(np.intp), log_k, log_t


def _log_mixture(names: NDArray[np.intp], source: NDArray[np.intp], log_k: Values) -> Values:
    """Return log sum_k (N_k / N) p_k(x) with the counts of each sample's own prompt."""
    counts = np.zeros((names.max() + 1, log_k.shape[1]))
    np.add.at(counts, (names, source), 1.0)
    shares = counts / counts.sum(axis=1, keepdims=True)
    result: Values = special.logsumexp(log_k, axis=1, b=shares[names])
    return result


def _effective(parts: Values) -> float:
    """Return how many equal parts would spread as these do; 0 if all are 0."""
    square = float(parts @ parts)
    return float(parts.sum()) ** 2 / square if square > 0 else 0.0


def _refused(gate: Gate, ess: float, influence: float, k: float, mean_weight: float) -> str:
    if ess < gate.ess:
        return f"{ess:.0f} effective samples, {gate.ess:g} are needed"
    if influence == 0:
        return "the value is the same in every sample that counts: nothing is known of its spread"
    if influence < gate.influence:
        return f"few samples decide: {influence:.0f} effective values, {gate.influence:g} are needed"
    if k > gate.pareto_k:
        return f"the weights have a heavy tail: Pareto k = {k:.2f}, at most {gate.pareto_k:g} is allowed"
    if abs(mean_weight - 1) > gate.miss:
        return f"the samples miss a part of the target: the mean weight is {mean_weight:.2f}, 1 is right"
    return ""


def _nothing(n: int, clusters: int, confidence: float) -> Estimate:
    return Estimate(math.nan, math.nan, math.nan, n, clusters, confidence)


def _interval(
    w: Values, f: Values, places: NDArray[np.intp], inside: NDArray[np.intp], *, ess: float, confidence: float
) -> Estimate:
    """Return the weighted mean with the jackknife interval of the ratio over clusters, or over the units of one."""
    units = np.unique(places, return_inverse=True)[1]
    clusters = int(units.max()) + 1
    single = clusters == 1
    if single:
        units = np.unique(inside, return_inverse=True)[1]
    sums, moments = np.bincount(units, w), np.bincount(units, w * f)
    total, mean = sums.sum(), moments.sum() / sums.sum()
    count = len(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        left_out = (moments.sum() - moments) / (total - sums)
    error = math.sqrt((count - 1) / count * float(((left_out - mean) ** 2).sum()))
    freedom = min(ess, count) - 1 if single else count - 1
    half = t_quantile(freedom, confidence) * error
    return Estimate(float(mean), float(mean - half), float(mean + half), len(w), clusters, confidence)
