"""Which tokens of a row can matter: those above a threshold, the k best, the prefix of a mass. No sort of the row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import exp2
from tempering.sampling.kernels.mass import FAR, ROUGHNESS, rough_mass
from tempering.sampling.kernels.scan import BLOCK

BINS = 4096
BINS_A_DOUBLING = 64.0
"""The mass of a row is counted by its logits, so finely that a bin holds few tokens: 64 doublings of probability."""


@compiled
def _above(part: NDArray[np.floating], threshold: float) -> int:
    count = 0
    for j in range(part.shape[0]):
        count += 1 if part[j] >= threshold else 0
    return count


@compiled
def count_above(row: NDArray[np.floating], maxima: NDArray[np.float64], threshold: float) -> int:
    """Return how many logits reach a threshold."""
    count = 0
    for b in range(maxima.shape[0]):
        if maxima[b] >= threshold:
            count += _above(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], threshold)
    return count


@compiled
def within(
    row: NDArray[np.floating], maxima: NDArray[np.float64], low: float, high: float, ids: NDArray[np.int64]
) -> np.int64:
    """Write the rising ids of the logits in a range, both ends included; return how many.

    Blocks whose maximum is lower are not read. An id is written whether or not it counts: a branch that cannot be
    foretold costs more than a store that is overwritten.
    """
    count = np.int64(0)
    for b in range(maxima.shape[0]):
        if maxima[b] >= low:
            part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
            for j in range(part.shape[0]):
                ids[count] = b * BLOCK + j
                count += np.int64((part[j] >= low) & (part[j] <= high))
    return count


@compiled
def gather(
    row: NDArray[np.floating], maxima: NDArray[np.float64], threshold: float, last: int, ids: NDArray[np.int64]
) -> np.int64:
    """Write the rising ids of the logits above the threshold, or equal to it with id <= last; return how many."""
    found = within(row, maxima, threshold, np.inf, ids)
    if last >= row.shape[0]:
        return found
    count = np.int64(0)
    for i in range(found):
        ids[count] = ids[i]
        count += np.int64((row[ids[i]] > threshold) | (ids[i] <= last))
    return count


@compiled
def _bins(
    block: NDArray[np.floating], best: float, scale: float, places: NDArray[np.int64], e: NDArray[np.float64]
) -> float:
    """Write the bin and the mass of each token of a block, return their sum; it runs in vectors, unlike the rest."""
    total = 0.0
    for j in range(block.shape[0]):
        y = (np.float64(block[j]) - best) * scale
        places[j] = np.int64(min(-y * BINS_A_DOUBLING, np.float64(BINS)))
        e[j] = exp2(y)
        total += e[j]
    return total


@compiled
def histogram(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    scale: float,
    exact: bool,
    weights: NDArray[np.float64],
) -> tuple[float, float]:
    """Add up a row's mass by bins; return the sum, and how far it may be off.

    Unless ``exact``, blocks far below the best count in the sum only, in float32: the bins above ``FAR`` are complete
    all the same.
    """
    places, e = np.empty(BLOCK, np.int64), np.empty(BLOCK)
    total, rough = 0.0, 0.0
    weights[:] = 0.0
    for b in range(maxima.shape[0]):
        part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
        if exact or (maxima[b] - best) * scale > FAR:
            total += _bins(part, best, scale, places, e)
            for j in range(part.shape[0]):
                weights[places[j]] += e[j]
        else:
            mass = rough_mass(part, np.float32(best), np.float32(scale))
            total, rough = total + mass, rough + mass
    return total, rough * ROUGHNESS


@compiled
def _bins_around(
    block: NDArray[np.floating],
    best: float,
    scale: float,
    middle: float,
    places: NDArray[np.int64],
    e: NDArray[np.float64],
) -> None:
    for j in range(block.shape[0]):
        y = (np.float64(block[j]) - best) * scale
        places[j] = np.int64(min(abs(y - middle) * BINS_A_DOUBLING, np.float64(BINS)))
        e[j] = exp2(y)


@compiled
def around(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    scale: float,
    middle: float,
    weights: NDArray[np.float64],
) -> None:
    """Add up a row's mass by bins of the distance of y = (z - best) scale from ``middle``."""
    places, e = np.empty(BLOCK, np.int64), np.empty(BLOCK)
    weights[:] = 0.0
    for b in range(maxima.shape[0]):
        part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
        _bins_around(part, best, scale, middle, places, e)
        for j in range(part.shape[0]):
            weights[places[j]] += e[j]


@compiled
def edge_bin(weights: NDArray[np.float64], bins: int, wanted: float, reach: bool) -> tuple[int, float]:
    """Return the bin in which the running mass reaches (or exceeds) what is wanted, and the mass before it.

    The bin is ``bins`` if it is none of them.
    """
    before = 0.0
    for edge in range(bins):
        after = before + weights[edge]
        if (reach and after >= wanted) or after > wanted:
            return edge, before
        before = after
    return bins, before


@compiled
def in_bin(
    row: NDArray[np.floating],
    maxima: NDArray[np.float64],
    best: float,
    scale: float,
    edge: int,
    ids: NDArray[np.int64],
) -> np.int64:
    """Write the rising ids of the tokens of a bin; return how many."""
    # A little wider than the bin: whether a token is in it is decided as in ``_bins``.
    low = best - (edge + 1.001) / (BINS_A_DOUBLING * scale)
    high = best - (edge - 0.001) / (BINS_A_DOUBLING * scale)
    found = within(row, maxima, low, high, ids)
    count = np.int64(0)
    for i in range(found):
        y = (np.float64(row[ids[i]]) - best) * scale
        ids[count] = ids[i]
        count += np.int64(np.int64(min(-y * BINS_A_DOUBLING, np.float64(BINS))) == edge)
    return count


@compiled
def least_above(row: NDArray[np.floating], value: float) -> float:
    """Return the least logit above a value."""
    least = np.inf
    for j in range(row.shape[0]):
        if row[j] > value:
            least = min(least, np.float64(row[j]))
    return least
