"""Sums over rows under exp(b gap), in float32: what a likelihood of T needs, from one read of each row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import rough_exp2
from tempering.sampling.kernels.mass import LOG2_E
from tempering.sampling.kernels.scan import BLOCK

FARTHEST = np.float32(-1e10)
"""As in the plain definition: what is kept compiled follows from these files alone."""


@compiled
def _block_sums(
    block: NDArray[np.floating], best: float, first: np.float32, step: np.float32
) -> tuple[np.float32, ...]:
    zero = np.float32(0.0)
    t0, m0, s0, t1, m1, s1, t2, m2, s2 = zero, zero, zero, zero, zero, zero, zero, zero, zero
    for j in range(block.shape[0]):
        gap = max(np.float32(block[j] - best), FARTHEST)
        weight, ratio = rough_exp2(gap * first), rough_exp2(gap * step)
        part = weight * gap
        t0, m0, s0 = t0 + weight, m0 + part, s0 + part * gap
        weight *= ratio
        part = weight * gap
        t1, m1, s1 = t1 + weight, m1 + part, s1 + part * gap
        weight *= ratio
        part = weight * gap
        t2, m2, s2 = t2 + weight, m2 + part, s2 + part * gap
    return t0, m0, s0, t1, m1, s1, t2, m2, s2


@compiled
def sums(
    logits: NDArray[np.floating], best: NDArray[np.floating], first: float, step: float, out: NDArray[np.float64]
) -> None:
    """Add the sums of w, w gap and w gap^2 of each row at b = first + 0, 1, 2 step into out [3, 3, rows]."""
    low, width = np.float32(first * LOG2_E), np.float32(step * LOG2_E)
    for r in range(logits.shape[0]):
        for begin in range(0, logits.shape[1], BLOCK):
            part = logits[r, begin : min(begin + BLOCK, logits.shape[1])]
            t0, m0, s0, t1, m1, s1, t2, m2, s2 = _block_sums(part, best[r], low, width)
            out[0, 0, r] += t0
            out[0, 1, r] += m0
            out[0, 2, r] += s0
            out[1, 0, r] += t1
            out[1, 1, r] += m1
            out[1, 2, r] += s1
            out[2, 0, r] += t2
            out[2, 1, r] += m2
            out[2, 2, r] += s2


@compiled
def _block_mass(block: NDArray[np.floating], best: np.float32, scale: np.float32) -> float:
    total = np.float32(0.0)
    for j in range(block.shape[0]):
        total += rough_exp2((np.float32(block[j]) - best) * scale)
    return np.float64(total)


@compiled
def mass(logits: NDArray[np.floating], best: NDArray[np.floating], inverse: float, out: NDArray[np.float64]) -> None:
    """Add the sum of w of each row at b = inverse into out [rows]."""
    scale = np.float32(inverse * LOG2_E)
    for r in range(logits.shape[0]):
        for begin in range(0, logits.shape[1], BLOCK):
            part = logits[r, begin : min(begin + BLOCK, logits.shape[1])]
            out[r] += _block_mass(part, np.float32(best[r]), scale)
