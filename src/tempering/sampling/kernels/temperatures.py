"""All temperatures from one read of a row: log Z on a grid, and the tokens that can win at any T."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.mass import LOG2_E
from tempering.sampling.kernels.philox import GUMBEL_BOUND, OF_GROUPS, block, earliest, gumbel_after, gumbel_at
from tempering.sampling.kernels.pick import floor_of, gumbel_of_row
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

    Tokens are lines z + T g. Between the winners at T = 0 and at the highest T, a line that is below at both ends can
    come out on top only if it does so where those two cross. So the noise that a token needs is known before it is
    made: where not even the largest of its group is enough, none is made.
    """
    size = row.shape[0]
    last = gumbel_of_row(row, maxima, best, min(1.0 / highest, 1e300), -np.inf, size, seed, sequence, step)
    ids[0], ids[1] = first, last
    gumbel_at(seed, sequence, step, ids[:2], noise[:2])
    if last == first:
        return np.int64(1)
    count, g0, crossing = np.int64(2), noise[0], (best - np.float64(row[last])) / (noise[1] - noise[0])
    if not crossing > 0.0:  # tied at T = 0, and the other one wins from there on
        return count
    for b in range(maxima.shape[0]):
        needed = g0 + (best - maxima[b]) / crossing - SLACK
        if needed > GUMBEL_BOUND:
            continue
        floor, end = floor_of(np.exp(-needed)), min((b + 1) * BLOCK, size)
        for quad in range(b * BLOCK // (4 * GROUP), -(-end // (4 * GROUP))):
            words = block(seed, sequence, step, np.uint64(quad), OF_GROUPS)
            for k in range(4):
                start, word = (4 * quad + k) * GROUP, words[k]
                if word < floor or start >= end:
                    continue
                early, place = earliest(word)
                most = SLACK - np.log(early)
                if most < needed:
                    continue
                for j in range(start, min(start + GROUP, end)):
                    least = g0 + (best - np.float64(row[j])) / crossing - SLACK
                    if most >= least and j not in (first, last):
                        g = gumbel_after(seed, sequence, step, j, early, place)
                        if g >= least:
                            ids[count], noise[count] = j, g
                            count += np.int64(1)
    return count
