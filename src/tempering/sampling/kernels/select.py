"""Which tokens of a row can matter: those in a range, the k best, those around a middle that hold a mass. No sort."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import full_width
from tempering.sampling.kernels.scan import BLOCK

LEAST = -1.7976931348623157e308
"""The least number: tokens below it are masked."""

FEW, THIN = 64, 1 / 256
"""A shell of so few tokens is sorted, and so thin a one, in doublings of probability."""

SAMPLE = 16
"""Blocks of a row that tell roughly where the end of a mass lies."""


@compiled
def _inward(numbers: NDArray[np.floating], low: float, high: float) -> NDArray[np.floating]:
    """Return a range in the numbers' own type, so that comparing does not widen each of them."""
    ends = np.array([low, high, -np.inf, np.inf]).astype(numbers.dtype)
    if ends[0] < low:
        ends[0] = np.nextafter(ends[0], ends[3])
    if ends[1] > high:
        ends[1] = np.nextafter(ends[1], ends[2])
    return ends


@compiled
def _count(part: NDArray[np.floating], ends: NDArray[np.floating]) -> np.float32:
    low, high = ends[0], ends[1]
    count, one, zero = full_width(np.float32(0.0)), np.float32(1.0), np.float32(0.0)
    for j in range(part.shape[0]):
        count += one if (part[j] >= low) & (part[j] <= high) else zero
    return count


@compiled
def count_within(row: NDArray[np.floating], tops: NDArray[np.float64], low: float, high: float) -> float:
    """Return how many numbers lie in a range, both ends included; ``tops`` are no less than any of their block."""
    count, ends = 0.0, _inward(row, low, high)
    for b in range(tops.shape[0]):
        if tops[b] >= low:
            count += _count(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], ends)
    return count


@compiled
def _flag(part: NDArray[np.floating], ends: NDArray[np.floating], flags: NDArray[np.uint8]) -> None:
    low, high, one, zero = ends[0], ends[1], full_width(np.uint8(1)), np.uint8(0)
    for j in range(part.shape[0]):
        flags[j] = one if (part[j] >= low) & (part[j] <= high) else zero


@compiled
def within(
    row: NDArray[np.floating], tops: NDArray[np.float64], low: float, high: float, ids: NDArray[np.int64]
) -> np.int64:
    """Write the rising ids of the numbers in a range, both ends included; return how many.

    Blocks that cannot hold one are not read; of the others eight tokens are passed over at a time. An id is written
    whether or not it counts: a branch that cannot be foretold costs more than a store that is overwritten.
    """
    count, ends, flags = np.int64(0), _inward(row, low, high), np.zeros(BLOCK, np.uint8)
    eights = flags.view(np.uint64)
    for b in range(tops.shape[0]):
        begin, end = b * BLOCK, min((b + 1) * BLOCK, row.shape[0])
        if tops[b] >= low and _count(row[begin:end], ends) > 0:
            flags[end - begin :] = 0
            _flag(row[begin:end], ends, flags)
            for w in range(eights.shape[0]):
                if eights[w] != 0:
                    for j in range(8 * w, min(8 * w + 8, end - begin)):
                        ids[count] = begin + j
                        count += np.int64(flags[j])
    return count


@compiled
def masked_above(row: NDArray[np.floating], top: float, out: NDArray[np.floating]) -> None:
    """Copy a row and mask the tokens above a logit."""
    ends = _inward(row, LEAST, top)
    masked, last = full_width(ends[2]), ends[1]
    for j in range(row.shape[0]):
        out[j] = row[j] if row[j] <= last else masked


@compiled
def kth_largest(values: NDArray[np.floating], k: int) -> float:
    """Return the k-th largest number, k from 1, and leave the numbers in another order (Hoare 1961)."""
    low, high, at = 0, values.shape[0] - 1, k - 1
    while low < high:
        pivot, i, j = values[(low + high) // 2], low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i, j = i + 1, j - 1
        if at <= j:
            high = j
        elif at >= i:
            low = i
        else:
            break
    return np.float64(values[at])


@compiled
def best_ids(
    row: NDArray[np.floating], maxima: NDArray[np.float64], k: int, every_tie: bool, ids: NDArray[np.int64]
) -> np.int64:
    """Write the rising ids of the k best, ties to the lower id or all of them; return how many.

    The k-th largest block maximum is at most the k-th best logit: only blocks that reach it are read again.
    """
    floor = kth_largest(maxima.copy(), k) if k <= maxima.shape[0] else -np.inf
    found = within(row, maxima, max(floor, LEAST), np.inf, ids)
    if found <= k:
        return found
    values = np.empty(found, row.dtype)
    for i in range(found):
        values[i] = row[ids[i]]
    edge, above, count = kth_largest(values, k), np.int64(0), np.int64(0)
    for i in range(found):
        above += np.int64(row[ids[i]] > edge)
    ties = found if every_tie else k - above
    for i in range(found):
        j = ids[i]
        tied = row[j] == edge
        ids[count] = j
        count += np.int64((row[j] > edge) | (tied & (ties > 0)))
        ties -= np.int64(tied)
    return count


@compiled
def _mass_within(part: NDArray[np.floating], ends: NDArray[np.floating]) -> float:
    low, high, nothing = ends[0], ends[1], ends[0] - ends[0]
    total = full_width(nothing)
    for j in range(part.shape[0]):
        total += part[j] if (part[j] >= low) & (part[j] <= high) else nothing
    return np.float64(total)


@compiled
def _mass_of(part: NDArray[np.floating], ends: NDArray[np.floating]) -> float:
    low, high, nothing, total = ends[0], ends[1], ends[0] - ends[0], full_width(0.0)
    for j in range(part.shape[0]):
        total += np.float64(part[j] if (part[j] >= low) & (part[j] <= high) else nothing)
    return total


@compiled
def _ends(middle: float, reach: float) -> tuple[float, float]:
    """Return the powers of two that lie so far from a middle, in doublings."""
    return 2.0 ** max(middle - reach, -1000.0), 2.0 ** min(middle + reach, 120.0)


@compiled
def mass_around(
    powers: NDArray[np.floating], masses: NDArray[np.float64], middle: float, reach: float, every: int
) -> float:
    """Return the mass of the powers within 2^(middle - reach) and 2^(middle + reach), to the accuracy of their type.

    Args:
        powers: shape [vocab].
        masses: sums of blocks; those that are 0 are not read.
        middle: base 2.
        reach: base 2, not negative.
        every: which of the blocks are read, every first, second, ...; 0 for all, summed in float64.
    """
    total = 0.0
    low, high = _ends(middle, reach)
    ends = _inward(powers, low, high)
    for b in range(0, masses.shape[0], max(every, 1)):
        if masses[b] > 0.0:
            part = powers[b * BLOCK : min((b + 1) * BLOCK, powers.shape[0])]
            total += _mass_of(part, ends) if every == 0 else _mass_within(part, ends)
    return total


@compiled
def _sampled(
    powers: NDArray[np.floating], masses: NDArray[np.float64], middle: float, widest: float, share: float, every: int
) -> float:
    """Return at which distance a share of the mass is reached in every so many of the blocks."""
    low, high, wanted = 0.0, widest, share * mass_around(powers, masses, middle, widest, every)
    while high - low > THIN:
        guess = 0.5 * (low + high)
        if mass_around(powers, masses, middle, guess, every) < wanted:
            low = guess
        else:
            high = guess
    return 0.5 * (low + high)


@compiled
def shell(
    powers: NDArray[np.floating], masses: NDArray[np.float64], middle: float, widest: float, wanted: float
) -> tuple[float, float]:
    """Return two distances from a middle between which the mass reaches what is wanted.

    Distances are doublings of probability, and ``THIN`` apart; the nearer is -1 if nothing lies within. A sample of
    blocks tells roughly where; then the whole row is summed at guesses, by interpolation and now and then by halving.
    """
    whole, guess, width = np.sum(masses), 0.5 * widest, 0.25 * widest
    every = max(len(np.flatnonzero(masses)) // SAMPLE, 1)
    if every > 1:
        guess, width = _sampled(powers, masses, middle, widest, wanted / whole, every), 8 * THIN
    inner, outer, within_inner, within_outer = -1.0, widest, 0.0, whole
    for turn in range(200):
        mass = mass_around(powers, masses, middle, guess, 1)
        if mass < wanted:
            inner, within_inner = guess, mass
        else:
            outer, within_outer = guess, mass
        few = within_outer - within_inner <= FEW * 2.0 ** (middle - outer)  # none of them weighs less than this
        if few or outer - max(inner, 0.0) <= THIN:
            break
        if inner < 0.0:
            guess, width = max(outer - width, 0.5 * outer), 4 * width
        elif outer >= widest:
            guess, width = min(inner + width, 0.5 * (inner + outer)), 4 * width
        elif turn % 3 == 2 or outer - inner > 1.0:
            guess = 0.5 * (inner + outer)
        else:
            share = (wanted - within_inner) / (within_outer - within_inner)
            beyond = 0.25 * THIN / (outer - inner)  # the guess, so that both ends close in
            share += beyond if mass < wanted else -beyond
            guess = inner + min(max(share, 0.05), 0.95) * (outer - inner)
    return inner, outer


@compiled
def within_shell(
    powers: NDArray[np.floating],
    masses: NDArray[np.float64],
    middle: float,
    inner: float,
    outer: float,
    ids: NDArray[np.int64],
) -> np.int64:
    """Write the ids of the powers that ``mass_around`` counts at the outer distance, but not at the inner one."""
    low, high = _ends(middle, outer)
    if inner < 0.0:
        return within(powers, masses, low, high, ids)
    end, begin = _ends(middle, inner)
    count = within(powers, masses, low, np.nextafter(end, -np.inf), ids)
    return count + within(powers, masses, np.nextafter(begin, np.inf), high, ids[count:])


@compiled
def least_above(row: NDArray[np.floating], value: float) -> float:
    """Return the least logit above a value."""
    least = np.inf
    for j in range(row.shape[0]):
        if row[j] > value:
            least = min(least, np.float64(row[j]))
    return least
