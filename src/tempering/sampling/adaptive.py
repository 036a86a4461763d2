"""Temperatures that depend on the entropy of a row, and quadratic smoothing. Arrays only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tempering.params import SamplingParams
from tempering.sampling.rows import Mask, Rows, entropy, log_softmax

EDT_BASE = 0.8


def temperatures(scores: Rows, keep: Mask, params: SamplingParams) -> NDArray[np.float64]:
    """Return the temperature of each row, shape [rows].

    Dynamic temperature (llama.cpp): T = low + (high - low) (H / log n)^exponent, with low and high = temperature -/+
    range (low at least 0), H the entropy in nats and n the number of the tokens kept so far. EDT (Zhang et al. 2024,
    arXiv 2403.14541): T = temperature * 0.8^(theta / H). T = 0 and T = inf stay what they are.

    Args:
        scores: logits before temperature, shape [rows, vocab].
        keep: the tokens kept so far.
        params: the settings.
    """
    t = params.temperature
    if not params.temperature_moves or t == 0 or math.isinf(t):
        return np.full(len(scores), t)
    h = entropy(log_softmax(scores, keep))
    if params.edt_theta:
        with np.errstate(divide="ignore"):
            return np.asarray(t * EDT_BASE ** (params.edt_theta / h))
    largest = np.log(keep.sum(axis=1))
    share = np.divide(h, largest, out=np.ones_like(h), where=largest > 0)
    low, high = max(0.0, t - params.dynatemp_range), t + params.dynatemp_range
    return np.asarray(low + (high - low) * np.minimum(share, 1.0) ** params.dynatemp_exponent)


def smooth(scores: Rows, keep: Mask, params: SamplingParams) -> Rows:
    """Return scores after quadratic smoothing: max - f ((3 - c) / 2 d^2 - (c - 1) / 2 d^3), with d = score - max.

    As defined alike in text-generation-webui, koboldcpp and aphrodite-engine (kalomaze 2024): tokens near the best come
    closer to it, those far away are pushed off. The order of the tokens stays, as the curve c is at most 3.
    """
    kept = np.where(keep, scores, -np.inf)
    best = kept.max(axis=1, keepdims=True)
    d = np.where(keep, scores - best, 0.0)
    c, f = params.smoothing_curve, params.smoothing_factor
    with np.errstate(over="ignore"):
        return np.asarray(best - f * ((3 - c) / 2 * d**2 - (c - 1) / 2 * d**3))
