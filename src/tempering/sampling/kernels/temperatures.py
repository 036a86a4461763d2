"""All temperatures from one read of a row: log Z on a grid, and the tokens that can win at any T."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.mass import LOG2_E
from tempering.sampling.kernels.philox import GUMBEL_BOUND, OF_GROUPS, block, earliest, gumbel_after
from tempering.sampling.kernels.scan import BLOCK
from tempering.sampling.noise import GROUP
from tempering.sampling.pick import SLACK


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
    known before it is made: where not even the largest of its group is enough, none is made.
    """
    words = block(seed, sequence, step, np.uint64(first // GROUP >> 2), OF_GROUPS)
    early, place = earliest(words[first // GROUP & 3])
    g0, count = gumbel_after(seed, sequence, step, first, early, place), np.int64(0)
    top, crossing = best + highest * g0, highest
    home = first // BLOCK
    for turn in range(-1, maxima.shape[0]):
        b = home if turn < 0 else np.int64(turn)
        if turn == home or maxima[b] == -np.inf:
            continue
        needed = min(g0 + (best - maxima[b]) / crossing, (top - maxima[b]) / highest)
        if needed > GUMBEL_BOUND:
            continue
        end = min((b + 1) * BLOCK, row.shape[0])
        for start in range(b * BLOCK, end, GROUP):
            group = start // GROUP
            if group & 3 == 0:
                words = block(seed, sequence, step, np.uint64(group >> 2), OF_GROUPS)
            early, place = earliest(words[group & 3])
            most = SLACK - np.log(early)
            if most < min(g0 + (best - maxima[b]) / crossing, (top - maxima[b]) / highest):
                continue
            for j in range(start, min(start + GROUP, end)):
                z = np.float64(row[j])
                if j == first or not (z > -np.inf and (most > g0 + (best - z) / crossing or z + highest * most > top)):
                    continue
                g = gumbel_after(seed, sequence, step, j, early, place)
                if g > g0 + (best - z) / crossing or z + highest * g > top:
                    ids[count], noise[count] = j, g
                    count += np.int64(1)
                    if z + highest * g > top:
                        top = z + highest * g
                        crossing = (best - z) / (g - g0) if best > z else crossing
    ids[count], noise[count] = first, g0
    return count + np.int64(1)
