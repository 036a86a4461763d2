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
    """Write the ids, with their noise, of all tokens that may win at some T <= highest; return how many.

    Tokens are lines z + T g. Between the winner at T = 0 and the best seen so far at the highest T, a line that is
    below at both ends can come out on top only if it does so where those two cross. So the noise that a token needs is
    known before it is made: where even the largest would be too small, blocks are not read and logarithms not taken.
    """
    words = block(seed, sequence, step, np.uint64(first >> 2), np.uint64(0))
    g0, count = -np.log(-np.log(uniform(words[first & 3]))), np.int64(0)
    top, crossing = best + highest * g0, highest
    home = first // BLOCK
    for turn in range(-1, maxima.shape[0]):
        b = home if turn < 0 else np.int64(turn)
        if turn == home or maxima[b] == -np.inf:
            continue
        end = min((b + 1) * BLOCK, row.shape[0])
        spare, stale = 1.0, True
        for start in range(b * BLOCK, end, 4):
            if stale:
                needed = min(g0 + (best - maxima[b]) / crossing, (top - maxima[b]) / highest)
                if needed > GUMBEL_BOUND:
                    break
                spare, stale = np.exp(-needed), False
            w0, w1, w2, w3 = block(seed, sequence, step, np.uint64(start >> 2), np.uint64(0))
            for j in range(start, min(start + 4, end)):
                u = uniform(w0 if j == start else w1 if j == start + 1 else w2 if j == start + 2 else w3)
                if 1.0 - u <= spare and row[j] > -np.inf and j != first:
                    g, z = -np.log(-np.log(u)), np.float64(row[j])
                    if g > g0 + (best - z) / crossing or z + highest * g > top:
                        ids[count], noise[count] = j, g
                        count += np.int64(1)
                        if z + highest * g > top:
                            top = z + highest * g
                            crossing = (best - z) / (g - g0) if best > z else crossing
                            stale = True
    ids[count], noise[count] = first, g0
    return count + np.int64(1)
