"""One read of a row: whether it is fit to be drawn from, and the largest logit of each block of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import bits32, float32, full_width, prefetch

BLOCK = 512
"""Tokens that share a maximum: what cannot matter is skipped by the block."""

FINE, NOT_A_NUMBER, INFINITE, EMPTY = 0, 1, 2, 3

AHEAD = 4 * BLOCK
"""How far ahead a row is asked for: the processor does not foresee across pages."""

INFINITY, MINUS_INFINITY = np.int32(0x7F800000), np.uint32(0xFF800000)


@compiled
def _extremes(block: NDArray[np.float32]) -> tuple[np.int32, np.int32, np.uint32]:
    """Return the largest and least bits as signed words, and the largest as an unsigned word: these run in vectors."""
    top, low, size = full_width(np.int32(-(2**31))), np.int32(2**31 - 1), np.uint32(0)
    for j in range(block.shape[0]):
        word = bits32(block[j])
        top, low, size = max(top, word), min(low, word), max(size, np.uint32(word))
    return top, low, size


@compiled
def _ask(row: NDArray[np.floating], begin: np.int64) -> None:
    """Ask for a block, one element of each line of 64 bytes."""
    line = 64 // row.itemsize
    for j in range(BLOCK // line):
        prefetch(row, begin + j * line)


@compiled
def look32(row: NDArray[np.float32], b: int, maxima: NDArray[np.float64], verdict: int) -> int:
    """Write the maximum of a block of a float32 row; return what is wrong with the row up to here.

    The bits of positive numbers rise with them, those of negative numbers fall: the largest number is the largest
    signed word if any is positive, else the least. NaN lies beyond infinity on either side.
    """
    _ask(row, b * BLOCK + AHEAD)
    top, low, size = _extremes(row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])])
    if top > INFINITY or size > MINUS_INFINITY:
        return NOT_A_NUMBER
    maxima[b] = float32(top if top >= 0 else low)
    if top == INFINITY:
        return INFINITE
    return FINE if verdict == EMPTY and maxima[b] > -np.inf else verdict


@compiled
def scan32(row: NDArray[np.float32], maxima: NDArray[np.float64]) -> int:
    """Write the maximum of each block of a float32 row; return what is wrong with the row, if anything."""
    verdict = EMPTY
    for b in range(maxima.shape[0]):
        verdict = look32(row, b, maxima, verdict)
        if verdict == NOT_A_NUMBER:
            break
    return verdict


@compiled
def scan64(row: NDArray[np.float64], maxima: NDArray[np.float64]) -> int:
    """Do the same for a float64 row."""
    verdict = EMPTY
    for b in range(maxima.shape[0]):
        _ask(row, b * BLOCK + AHEAD)
        part = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])]
        top, odd = full_width(-np.inf), False
        for j in range(part.shape[0]):
            odd |= part[j] != part[j]
            top = max(top, part[j])
        if odd:
            return NOT_A_NUMBER
        maxima[b] = top
        if top == np.inf:
            verdict = INFINITE
        elif verdict == EMPTY and top > -np.inf:
            verdict = FINE
    return verdict


@compiled
def total(row: NDArray[np.float32]) -> float:
    """Return the sum of a row: the least that reading it costs, for the benchmark to compare to."""
    found = 0.0
    for b in range((row.shape[0] + BLOCK - 1) // BLOCK):
        part, some = row[b * BLOCK : min((b + 1) * BLOCK, row.shape[0])], np.float32(0.0)
        for j in range(part.shape[0]):
            some += part[j]
        found += np.float64(some)
    return found
