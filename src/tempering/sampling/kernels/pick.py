"""The winner of a row: Gumbel-max that leaves out what cannot win, and one uniform number through the CDF."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.compiler import compiled
from tempering.sampling.kernels.philox import GUMBEL_BOUND, OF_GROUPS, ZERO, block, earliest, gumbel_after
from tempering.sampling.kernels.scan import BLOCK
from tempering.sampling.noise import GROUP
from tempering.sampling.pick import SLACK


@compiled
def _floor(spare: float) -> np.uint64:
    """Return a word below which no group arrives by the time ``spare``, a little lower than need be.

    The earliest of a group is -log(u) / GROUP >= (1 - u) / GROUP: most groups are left out without a logarithm.
    """
    if spare * GROUP >= 1.0:
        return ZERO
    return np.uint64((1.0 - spare * GROUP) * 18446744073709547520.0 * (1.0 - 1e-15))


@compiled
def _word(quad: tuple[np.uint64, np.uint64, np.uint64, np.uint64], at: np.int64) -> np.uint64:
    return quad[0] if at == 0 else quad[1] if at == 1 else quad[2] if at == 2 else quad[3]


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

    One random word is made for each group; the group's tokens are looked at only where its largest noise, with the
    largest logit of their block, may reach the best so far.
    """
    winner, value = np.int64(-1), -np.inf
    home = np.int64(np.argmax(maxima))
    for turn in range(-1, maxima.shape[0]):
        b = home if turn < 0 else np.int64(turn)
        gap = (maxima[b] - best) * rate
        if turn == home or gap + GUMBEL_BOUND < value or maxima[b] == -np.inf or maxima[b] < at:
            continue
        end = min((b + 1) * BLOCK, row.shape[0])
        floor = _floor(np.exp(gap - value))
        for quad in range(b * BLOCK // (4 * GROUP), -(-end // (4 * GROUP))):
            words = block(seed, sequence, step, np.uint64(quad), OF_GROUPS)
            if max(words[0], words[1], words[2], words[3]) < floor:
                continue
            for k in range(4):
                start = (4 * quad + k) * GROUP
                word = _word(words, k)
                if word < floor or start >= end:
                    continue
                first, place = earliest(word)
                most = -np.log(first)
                if gap + most < value - SLACK:
                    continue
                for turn_of in range(-1, min(GROUP, end - start)):
                    # The earliest first: it needs no other word, and may rule the rest out.
                    j = start + (place if turn_of < 0 else np.int64(turn_of))
                    if (turn_of == place) or j >= end:
                        continue
                    z = np.float64(row[j])
                    if (z - best) * rate + most < value - SLACK or z == -np.inf:
                        continue
                    if z > at or (z == at and j <= last):
                        score = (z - best) * rate + gumbel_after(seed, sequence, step, j, first, place)
                        if score > value or (score == value and j < winner):
                            winner, value = j, score
                floor = _floor(np.exp(gap - value))
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
    """Return the winner among some tokens, given by rising ids, which share the words of their groups.

    No token scores more than its noise, so a word too small for the best score so far needs no logarithm.
    """
    winner, value, floor = np.int64(-1), -np.inf, ZERO
    quad, group, words, word = np.int64(-1), np.int64(-1), (ZERO, ZERO, ZERO, ZERO), ZERO
    first, place, most = 0.0, np.int64(0), np.inf
    for i in range(ids.shape[0]):
        j = ids[i]
        if j // GROUP != group:
            group = j // GROUP
            if group >> 2 != quad:
                quad = group >> 2
                words = block(seed, sequence, step, np.uint64(quad), OF_GROUPS)
            word = _word(words, group & 3)
            if word >= floor:
                first, place = earliest(word)
                most = -np.log(first)
        gap = (np.float64(row[j]) - best) * rate
        if word >= floor and gap + most >= value - SLACK:
            score = gap + gumbel_after(seed, sequence, step, j, first, place)
            if score > value:
                winner, value = j, score
                floor = _floor(np.exp(-value))
    return winner
