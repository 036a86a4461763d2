"""Sums over a row at one temperature: log Z and what the rules ask of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import ROUND32, exp2, full_width, nearest, power32
from tempering.sampling.kernels.scan import BLOCK, EMPTY, NOT_A_NUMBER, look32

FAR = 28.0
"""Blocks whose best token is 2^28 times less likely than the best of all are far: a bound of their mass will do."""

ROUGHNESS = 1.3e-7
"""How far off, as a share, a power in float32 may be, and so a sum of them in float64."""

LARGEST, HIGHEST = 2.0**14, 100.0
"""Logits in doublings, and how far the first block's best may be exceeded, up to which float32 powers are so good."""

LOG2_E = 1.4426950408889634


@compiled
def _weigh32(
    block: NDArray[np.float32],
    scale: np.float32,
    rest: np.float32,
    shift: np.float32,
    least: np.float32,
    out: NDArray[np.float32],
) -> float:
    total = full_width(0.0)
    for j in range(block.shape[0]):
        out[j] = power32(max(block[j], least), scale, rest, shift)
    for j in range(block.shape[0]):
        total += np.float64(out[j])
    return total


@compiled
def weigh32(
    row: NDArray[np.float32],
    scale: float,
    maxima: NDArray[np.float64],
    powers: NDArray[np.float32],
    masses: NDArray[np.float64],
) -> tuple[int, float, float, float, float]:
    """Do what ``scan32`` does, and write 2^(z scale - k) for each token and the sum of each block, in one read.

    k is the largest logit of the first block in doublings, rounded. Blocks far below the best so far are left out:
    their powers are not written and their sums are 0.

    Returns:
        What is wrong with the row; k, NaN where float32 cannot hold the powers; the sum of all powers, to within
        ``ROUGHNESS``; the most that the far blocks hold, and that times their distance from k in doublings.
    """
    verdict, best, k, lost, total, far, far_first = EMPTY, -np.inf, 0.0, False, 0.0, 0.0, 0.0
    single = np.float32(scale)
    rest, shift, least = np.float32(scale - np.float64(single)), ROUND32, np.float32(0.0)
    for b in range(maxima.shape[0]):
        verdict = look32(row, b, maxima, verdict)
        if verdict == NOT_A_NUMBER:
            break
        begin, end, masses[b] = b * BLOCK, min((b + 1) * BLOCK, row.shape[0]), 0.0
        if maxima[b] == -np.inf or lost:
            continue
        doublings = maxima[b] * scale
        if best == -np.inf:
            k = nearest(doublings)
            shift, least = ROUND32 - np.float32(k), np.float32((k - 126.0) / scale)
        best = max(best, doublings)
        if doublings < best - FAR:
            most = exp2(doublings - k) * (end - begin)
            far, far_first = far + most, far_first + most * min(abs(doublings - k), 1000.0)
        elif abs(doublings) > LARGEST or doublings - k > HIGHEST:
            lost = True
        else:
            masses[b] = _weigh32(row[begin:end], single, rest, shift, least, powers[begin:end])
            total += masses[b]
    return verdict, np.nan if lost else k, total, far, far_first


@compiled
def _weigh64(block: NDArray[np.floating], best: float, scale: float, out: NDArray[np.float64]) -> float:
    total = full_width(0.0)
    for j in range(block.shape[0]):
        e = exp2((np.float64(block[j]) - best) * scale)
        out[j] = e
        total += e
    return total


@compiled
def weigh64(
    row: NDArray[np.floating], best: float, scale: float, powers: NDArray[np.float64], masses: NDArray[np.float64]
) -> float:
    """Write 2^((z - best) scale) for each token and the sum of each block in float64; return the sum of all."""
    total = 0.0
    for b in range(masses.shape[0]):
        begin, end = b * BLOCK, min((b + 1) * BLOCK, row.shape[0])
        masses[b] = _weigh64(row[begin:end], best, scale, powers[begin:end])
        total += masses[b]
    return total


@compiled
def _moments_of_powers(
    block: NDArray[np.floating], powers: NDArray[np.floating], best: float, scale: float
) -> tuple[float, float]:
    first, second = full_width(0.0), 0.0
    for j in range(block.shape[0]):
        y = max((np.float64(block[j]) - best) * scale, -1100.0)
        part = np.float64(powers[j]) * y
        first += part
        second += part * y
    return first, second


@compiled
def moments_of_powers(
    row: NDArray[np.floating], powers: NDArray[np.floating], masses: NDArray[np.float64], best: float, scale: float
) -> tuple[float, float]:
    """Return the sums of e y and e y^2, where y = (z - best) scale and e its power, over blocks that have mass."""
    first, second = 0.0, 0.0
    for b in range(masses.shape[0]):
        if masses[b] > 0.0:
            begin, end = b * BLOCK, min((b + 1) * BLOCK, row.shape[0])
            f, s = _moments_of_powers(row[begin:end], powers[begin:end], best, scale)
            first, second = first + f, second + s
    return first, second


@compiled
def _squares(powers: NDArray[np.floating]) -> float:
    total = full_width(0.0)
    for j in range(powers.shape[0]):
        e = np.float64(powers[j])
        total += e * e
    return total


@compiled
def squares(powers: NDArray[np.floating], masses: NDArray[np.float64]) -> float:
    """Return the sum of squared powers over blocks that have mass."""
    total = 0.0
    for b in range(masses.shape[0]):
        if masses[b] > 0.0:
            total += _squares(powers[b * BLOCK : min((b + 1) * BLOCK, powers.shape[0])])
    return total


@compiled
def _block_moments(block: NDArray[np.floating], best: float, scale: float) -> tuple[float, float]:
    total, first = full_width(0.0), 0.0
    for j in range(block.shape[0]):
        y = max((np.float64(block[j]) - best) * scale, -1100.0)
        e = exp2(y)
        total += e
        first += e * y
    return total, first


@compiled
def moments(row: NDArray[np.floating], best: float, scale: float) -> tuple[float, float]:
    """Return the sums of e and e y, where y = (z - best) scale and e = 2^y, in float64."""
    total, first = 0.0, 0.0
    for b in range((row.shape[0] + BLOCK - 1) // BLOCK):
        t, f = _block_moments(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], best, scale)
        total, first = total + t, first + f
    return total, first


@compiled
def _block_sums(block: NDArray[np.floating], centre: float) -> tuple[float, float, float]:
    count, total, squares = full_width(0.0), 0.0, 0.0
    for j in range(block.shape[0]):
        kept = block[j] > -np.inf
        gap = np.float64(block[j]) - centre if kept else 0.0
        count += 1.0 if kept else 0.0
        total += gap
        squares += gap * gap
    return count, total, squares


@compiled
def spread(row: NDArray[np.floating], maxima: NDArray[np.float64]) -> float:
    """Return the standard deviation of the logits that are not masked; each block is centred on its own maximum."""
    count, mean, squares = 0.0, 0.0, 0.0
    for b in range(maxima.shape[0]):
        if maxima[b] > -np.inf:
            n, t, s = _block_sums(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], maxima[b])
            gap, both = maxima[b] + t / n - mean, count + n
            squares += s - t * t / n + gap * gap * count * n / both
            mean += gap * n / both
            count = both
    return np.sqrt(max(squares / count, 0.0))
