"""Philox4x64-10 four words at a time: the noise of any token without that of the tokens before it.

The numbers are those of ``tempering.sampling.noise``, which says what the counter and the key are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.floats import wide
from tempering.sampling.noise import DOMAIN, GROUP, GROUPS

M0, M1 = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
W0, W1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
KEY, ZERO = np.uint64(DOMAIN), np.uint64(0)

OF_GROUPS, LAST = np.uint64(GROUPS), np.uint64(GROUP - 1)

GUMBEL_BOUND = 36.75 + np.log(GROUP)
"""No noise is larger: that of the earliest of a group, whose -log(-log(1 - 2^-53)) = 36.74."""


@compiled
def block(
    seed: np.uint64, sequence: np.uint64, step: np.uint64, place: np.uint64, stream: np.uint64 = ZERO
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the four words of the places 4 * place to 4 * place + 3."""
    c0, c1, c2, c3 = place + np.uint64(1), step, sequence, stream
    k0, k1 = seed, KEY
    for _ in range(10):
        high0, low0 = wide(M0, c0)
        high1, low1 = wide(M1, c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + W0, k1 + W1
    return c0, c1, c2, c3


@compiled
def uniform(word: np.uint64) -> float:
    """Return the word as a number inside (0, 1)."""
    return (np.float64(word >> np.uint64(12)) + 0.5) * 2.0**-52


@compiled
def earliest(word: np.uint64) -> tuple[float, np.int64]:
    """Return the earliest arrival of a group and its place in it."""
    return -np.log(uniform(word)) / GROUP, np.int64(word & LAST)


@compiled
def gumbel_after(
    seed: np.uint64, sequence: np.uint64, step: np.uint64, token: np.int64, first: float, place: np.int64
) -> float:
    """Return the noise of a token of a group whose earliest arrival is known."""
    if token % GROUP == place:
        return -np.log(first)
    words = block(seed, sequence, step, np.uint64(token >> 2))
    return -np.log(first - np.log(uniform(words[token & 3])))


@compiled
def gumbel_at(
    seed: np.uint64, sequence: np.uint64, step: np.uint64, ids: NDArray[np.int64], out: NDArray[np.float64]
) -> None:
    """Write the Gumbel noise of some tokens of a row; neighbours in ``ids`` share what their groups have in common."""
    last, first, place = np.int64(-1), 0.0, np.int64(0)
    for i in range(ids.shape[0]):
        group = ids[i] // GROUP
        if group != last:
            words, last = block(seed, sequence, step, np.uint64(group >> 2), OF_GROUPS), group
            first, place = earliest(words[group & 3])
        out[i] = gumbel_after(seed, sequence, step, ids[i], first, place)


@compiled
def first_uniforms(
    seeds: NDArray[np.uint64],
    sequences: NDArray[np.uint64],
    steps: NDArray[np.uint64],
    stream: np.uint64,
    out: NDArray[np.float64],
) -> None:
    """Write the first uniform number of a stream for each row."""
    for i in range(out.shape[0]):
        out[i] = uniform(block(seeds[i], sequences[i], steps[i], ZERO, stream)[0])
