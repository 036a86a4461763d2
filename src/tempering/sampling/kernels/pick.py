"""The winner of a row: Gumbel-max that leaves out what cannot win, and one uniform number through the CDF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.philox import GUMBEL_BOUND, ZERO, block, uniform
from tempering.sampling.kernels.scan import BLOCK


@compiled
def _floor(spare: float) -> np.uint64:
    """Return a word below which 1 - u exceeds ``spare``, a little lower than need be."""
    if spare >= 1.0:
        return np.uint64(0)
    return np.uint64((1.0 - spare) * 18446744073709547520.0 * (1.0 - 1e-15))


@compiled
def gumbel_of_row(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    rate: float,
    at: float,
    last: int,
    seed: np.uint64,
    sequence: np.uint64,
    step: np.uint64,
) -> np.int64:
    """Return the argmax of (z - best) rate + g over a row, rate = 1 / T; masked tokens never win.

    Of a row that is cut, tokens above the logit ``at`` take part, and those equal to it with id <= ``last``.

    No Gumbel number exceeds 36.75, so blocks that would need a larger one are not read. Of the others the random words
    are made, but a logarithm is taken only where g > t is possible: g <= -log(1 - u), so 1 - u < exp(-t).
    """
    winner, value = np.int64(-1), -np.inf
    first = np.int64(np.argmax(maxima))
    for turn in range(-1, maxima.shape[0]):
        b = first if turn < 0 else np.int64(turn)
        if (
            (turn == first)
            or (maxima[b] - best) * rate + GUMBEL_BOUND < value
            or maxima[b] == -np.inf
            or maxima[b] < at
        ):
            continue
        end = min((b + 1) * BLOCK, row.shape[0])
        floor = _floor(np.exp((maxima[b] - best) * rate - value))
        for start in range(b * BLOCK, end, 4):
            w0, w1, w2, w3 = block(seed, sequence, step, np.uint64(start >> 2))
            if (w0 >= floor) | (w1 >= floor) | (w2 >= floor) | (w3 >= floor):
                for j in range(start, min(start + 4, end)):
                    word = w0 if j == start else w1 if j == start + 1 else w2 if j == start + 2 else w3
                    kept = row[j] > at or (row[j] == at and j <= last)
                    if word >= floor and kept and row[j] > -np.inf:
                        score = (np.float64(row[j]) - best) * rate - np.log(-np.log(uniform(word)))
                        if score > value or (score == value and j < winner):
                            winner, value = np.int64(j), score
                floor = _floor(np.exp((maxima[b] - best) * rate - value))
    return winner


@compiled
def gumbel_among(
    row: NDArray[np.floating],
    ids: NDArray[np.int64],
    best: float,
    rate: float,
    seed: np.uint64,
    sequence: np.uint64,
    step: np.uint64,
) -> np.int64:
    """Return the winner among some tokens, given by rising ids, which share their blocks of noise.

    No token scores more than its noise, so a word too small for the best score so far needs no logarithm.
    """
    winner, value, last, floor = np.int64(-1), -np.inf, np.int64(-1), ZERO
    w0, w1, w2, w3 = ZERO, ZERO, ZERO, ZERO
    for i in range(ids.shape[0]):
        j = ids[i]
        if j >> 2 != last:
            last = j >> 2
            w0, w1, w2, w3 = block(seed, sequence, step, np.uint64(last))
        word = w0 if j & 3 == 0 else w1 if j & 3 == 1 else w2 if j & 3 == 2 else w3
        if word >= floor:
            score = (np.float64(row[j]) - best) * rate - np.log(-np.log(uniform(word)))
            if score > value:
                winner, value = j, score
                floor = _floor(np.exp(-value))
    return winner
