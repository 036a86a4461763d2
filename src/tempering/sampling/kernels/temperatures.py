"""All temperatures from one read of a row: log Z on a grid, and the tokens that can win at any T."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.mass import LOG2_E
from tempering.sampling.kernels.philox import GUMBEL_BOUND, block, uniform
from tempering.sampling.kernels.scan import BLOCK


@compiled
def _start(part: NDArray[np.floating], best: float, scale: float, out: NDArray[np.float64]) -> None:
    for j in range(part.shape[0]):
        out[j] = exp2((np.float64(part[j]) - best) * scale)


@compiled
def _advance(weights: NDArray[np.float64], factors: NDArray[np.float64]) -> float:
    total = 0.0
    for j in range(weights.shape[0]):
        total += weights[j]
        weights[j] *= factors[j]
    return total


@compiled
def masses_on_grid(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    first: float,
    step: float,
    out: NDArray[np.float64],
) -> None:
    """Write the sums of exp((z - best) b) for b = first, first + step, ...: two powers a token, then products."""
    weights, factors = np.empty(BLOCK), np.empty(BLOCK)
    out[:] = 0.0
    for b in range(maxima.shape[0]):
        part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
        size = part.shape[0]
        _start(part, best, first * LOG2_E, weights)
        _start(part, best, step * LOG2_E, factors)
        for k in range(out.shape[0]):
            out[k] += _advance(weights[:size], factors[:size])


@compiled
def rivals(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    first: np.int64,
    highest: float,
    seed: np.uint64,
    sequence: np.uint64,
    step: np.uint64,
    ids: NDArray[np.int64],
    noise: NDArray[np.float64],
) -> np.int64:
    """Write the rising ids, with their noise, of the tokens that may win at some T <= highest; return how many.

    The line z + T g of a token must rise above that of the winner at T = 0 by the highest T: g > g0 + (best - z) / T.
    Where even the largest possible noise is too small for that, blocks are not read and logarithms not taken.
    """
    words = block(seed, sequence, step, np.uint64(first >> 2))
    least, count = -np.log(-np.log(uniform(words[first & 3]))), np.int64(0)
    for b in range(maxima.shape[0]):
        needed = least + (best - maxima[b]) / highest
        if needed > GUMBEL_BOUND:
            continue
        spare = np.exp(-needed)
        end = min((b + 1) * BLOCK, row.shape[0])
        for start in range(b * BLOCK, end, 4):
            w0, w1, w2, w3 = block(seed, sequence, step, np.uint64(start >> 2))
            for j in range(start, min(start + 4, end)):
                u = uniform(w0 if j == start else w1 if j == start + 1 else w2 if j == start + 2 else w3)
                if j == first or (1.0 - u <= spare and row[j] > -np.inf):
                    g = -np.log(-np.log(u))
                    if j == first or g > least + (best - np.float64(row[j])) / highest:
                        ids[count], noise[count] = j, g
                        count += np.int64(1)
    return count
