"""Sums over a row at one temperature: log Z and what the rules ask of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2, rough_exp2
from tempering.sampling.kernels.scan import BLOCK

FAR = -12.0
"""Blocks whose best token is 2^12 times less likely than the best of all are far."""

ROUGHNESS = 2e-5
"""How far off, as a share, a sum in float32 may be: twice the bound of its terms."""

LOG2_E = 1.4426950408889634


@compiled
def _block_mass(block: NDArray[np.floating], best: float, scale: float) -> float:
    total = 0.0
    for j in range(block.shape[0]):
        total += exp2((np.float64(block[j]) - best) * scale)
    return total


@compiled
def rough_mass(block: NDArray[np.floating], best: np.float32, scale: np.float32) -> float:
    """Return the mass of a block, to within half of ``ROUGHNESS``."""
    total = np.float32(0.0)
    for j in range(block.shape[0]):
        total += rough_exp2((np.float32(block[j]) - best) * scale)
    return np.float64(total)


@compiled
def masses(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    scale: float,
    exact: bool,
    out: NDArray[np.float64],
) -> tuple[float, float]:
    """Write the mass of each block, sum of 2^((z - best) scale); return their sum and how far it may be off.

    Unless ``exact``, blocks far below the best are added up in float32. ``best`` is the largest logit.
    """
    total, rough = 0.0, 0.0
    for b in range(out.shape[0]):
        part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
        if exact or (maxima[b] - best) * scale > FAR:
            out[b] = _block_mass(part, best, scale)
        else:
            out[b] = rough_mass(part, np.float32(best), np.float32(scale))
            rough += out[b]
        total += out[b]
    return total, rough * ROUGHNESS


@compiled
def _block_moments(block: NDArray[np.floating], best: float, scale: float) -> tuple[float, float, float]:
    total, first, square = 0.0, 0.0, 0.0
    for j in range(block.shape[0]):
        y = max((np.float64(block[j]) - best) * scale, -1100.0)
        e = exp2(y)
        total += e
        first += e * y
        square += e * e
    return total, first, square


@compiled
def moments(row: NDArray[np.floating], best: float, scale: float) -> tuple[float, float, float]:
    """Return the sums of e, e y and e^2, where y = (z - best) scale and e = 2^y."""
    total, first, square = 0.0, 0.0, 0.0
    for b in range((row.shape[0] + BLOCK - 1) // BLOCK):
        t, f, s = _block_moments(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], best, scale)
        total, first, square = total + t, first + f, square + s
    return total, first, square


@compiled
def _block_sums(block: NDArray[np.floating], centre: float) -> tuple[float, float, float]:
    count, total, squares = 0.0, 0.0, 0.0
    for j in range(block.shape[0]):
        kept = block[j] > -np.inf
        gap = np.float64(block[j]) - centre if kept else 0.0
        count += 1.0 if kept else 0.0
        total += gap
        squares += gap * gap
    return count, total, squares


@compiled
def spread(row: NDArray[np.floating], best: float) -> float:
    """Return the standard deviation of the logits that are not masked."""
    centre = best
    for _ in range(2):  # around the mean the second time, so that a small deviation is not lost in a large mean
        count, total, squares = 0.0, 0.0, 0.0
        for b in range((row.shape[0] + BLOCK - 1) // BLOCK):
            c, t, s = _block_sums(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], centre)
            count, total, squares = count + c, total + t, squares + s
        mean = centre + total / count
        deviation = np.sqrt(max(squares / count - (total / count) ** 2, 0.0))
        centre = mean
    return deviation
