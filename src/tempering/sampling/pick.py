"""The winner of each row: Gumbel-max that makes only the noise that can decide. Knows no settings.

The largest noise of a group of tokens is made first (``tempering.sampling.noise``), so the group's largest score plus
that noise bounds what its tokens reach. The noise of single tokens is made only where this bound is above the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.noise import GROUP, GROUPS, TOKENS, Keys, Source, earliest, gumbel_of, inside

SLACK = 1e-9
"""How far below the best a bound must lie to be left out: rounding decides nothing."""

SMALL = 8192
"""Scores up to which making all noise takes less time than finding out which matters."""

Values = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Contest:
    """Rows of scores with the noise that they share with nobody, made as far as it is asked for.

    Attributes:
        scores: float32 or float64, [rows, groups, GROUP]; -inf never wins, and fills the last group.
        keys: of the noise, one a row.
        first: the earliest arrival of each group, [rows, groups].
        places: which token of the group that is, [rows, groups].
        source: of random words.
    """

    scores: NDArray[np.floating]
    keys: Keys
    first: Values
    places: Ids
    source: Source

    @cached_property
    def maxima(self) -> NDArray[np.floating]:
        """The largest score of each group, [rows, groups]."""
        begins = np.arange(0, self.scores.size, GROUP)  # many times as fast as a maximum along a short axis
        return np.maximum.reduceat(self.scores.ravel(), begins).reshape(self.first.shape)

    @cached_property
    def most(self) -> Values:
        """The largest noise of each group, [rows, groups]."""
        return np.asarray(-np.log(self.first))

    def noise(self, rows: Ids, ids: Ids) -> Values:
        """Return the Gumbel noise of some tokens, given by rows and ids, shape [n], n > 0; neighbours share words."""
        groups, place = ids // GROUP, ids % GROUP
        pairs = rows * self.first.shape[1] + groups
        begins = np.append(True, pairs[1:] != pairs[:-1])
        each, words = self.keys.each(), self.source.words
        wanted = zip(rows[begins].tolist(), groups[begins].tolist(), strict=True)
        drawn = np.concatenate([words(each[row], TOKENS, GROUP, group * GROUP) for row, group in wanted])
        after = -np.log(inside(drawn[(np.cumsum(begins) - 1) * GROUP + place]))
        first = self.first[rows, groups]
        return np.asarray(-np.log(np.where(place == self.places[rows, groups], first, first + after)))

    def reaching(self, low: Values, best: Values, rate: float) -> tuple[Ids, Ids]:
        """Return rows and ids, rising, of the tokens whose (score - best) rate + noise may reach a value.

        Args:
            low: the values, finite, [rows].
            best: [rows].
            rate: 1 / T, in (0, inf).
        """
        rows, at = np.nonzero(self.bounds(best, rate) >= low[:, None] - SLACK)
        reach = (self.scores[rows, at] - best[rows, None]) * rate + self.most[rows, at][:, None]
        pair, place = np.nonzero(reach >= low[rows, None] - SLACK)
        return rows[pair], at[pair] * GROUP + place

    def bounds(self, best: Values, rate: float) -> Values:
        """Return what no (score - best) rate + noise of a group exceeds, [rows, groups]."""
        return (self.maxima - best[:, None]) * rate + self.most

    def values(self, rows: Ids, ids: Ids, best: Values, rate: float) -> Values:
        """Return (score - best) rate + noise of some tokens, given by their rows and ids, shape [n]."""
        scaled = (self.scores[rows, ids // GROUP, ids % GROUP] - best[rows]) * rate
        return np.asarray(scaled + self.noise(rows, ids))

    def winners(self, best: Values, rate: float) -> Ids:
        """Return the argmax of (score - best) rate + noise of each row, ties to the lowest id."""
        each, (count, groups) = np.arange(len(best)), self.first.shape
        if not count:
            return each
        # What is known to be reached: by the earliest of each group, and by the best token of the likeliest group.
        first = self.scores[each[:, None], np.arange(groups), self.places]
        low = ((first - best[:, None]) * rate + self.most).max(axis=1)
        likely = self.bounds(best, rate).argmax(axis=1)
        ids = likely * GROUP + self.scores[each, likely].argmax(axis=1)
        low = np.maximum(low, self.values(each, ids, best, rate))
        rows, ids = self.reaching(low, best, rate)
        reached = self.values(rows, ids, best, rate)
        value, token = np.full(count, -np.inf), np.full(count, groups * GROUP)
        np.maximum.at(value, rows, reached)
        won = reached == value[rows]
        np.minimum.at(token, rows[won], ids[won])
        return token


def winners(scores: NDArray[np.floating], keys: Keys, best: Values, rate: float) -> Ids:
    """Return the argmax of (score - best) rate + noise of each row, ties to the lowest id, shape [rows].

    Args:
        scores: float32 or float64, [rows, vocab]; -inf never wins.
        keys: of the noise, one a row.
        best: the largest score of each row, or 0 where scores are log-probabilities, [rows].
        rate: 1 / T, in (0, inf).
    """
    with np.errstate(over="ignore"):  # a T near 1e-308 sends all but the best to -inf, which is its limit
        if scores.size > SMALL:
            return contest(scores, keys).winners(best, rate)
        values = (scores - best[:, None]) * rate + gumbel_of(keys, scores.shape[1])
        return np.asarray(values.argmax(axis=1), dtype=np.int64)


def contest(scores: NDArray[np.floating], keys: Keys) -> Contest:
    """Return a contest of rows of scores, [rows, vocab], float32 or float64."""
    rows, vocabulary = scores.shape
    groups, source = -(-vocabulary // GROUP), Source()
    if vocabulary % GROUP:
        scores = np.pad(scores, ((0, 0), (0, -vocabulary % GROUP)), constant_values=-np.inf)
    drawn = np.empty((rows, groups), np.uint64)
    for row, key in zip(drawn, keys.each(), strict=True):
        row[:] = source.words(key, GROUPS, groups)
    return Contest(scores.reshape(rows, groups, GROUP), keys, *earliest(drawn), source)
