"""A row as the cuts see it: read once, with its block maxima, and its powers at a temperature where they are wanted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tempering.sampling.kernels.mass import LOG2_E, ROUGHNESS, weigh32, weigh64
from tempering.sampling.kernels.scan import BLOCK, FINE, scan32, scan64
from tempering.sampling.plan import rate_of

COOLEST, HOTTEST = 1e-3, 100.0
"""Temperatures at which float32 powers are good enough to begin with."""

Values = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Room:
    """Where the kernels write, for one row after the other.

    Attributes:
        vocabulary: tokens a row.
    """

    vocabulary: int

    @property
    def blocks(self) -> int:
        """How many blocks a row has."""
        return -(-self.vocabulary // BLOCK)

    @cached_property
    def ids(self) -> Ids:
        """Shape [vocab]."""
        return np.empty(self.vocabulary, np.int64)

    @cached_property
    def single(self) -> NDArray[np.float32]:
        """Powers in float32, shape [vocab]."""
        return np.empty(self.vocabulary, np.float32)

    @cached_property
    def double(self) -> Values:
        """Powers in float64, shape [vocab]."""
        return np.empty(self.vocabulary)

    @cached_property
    def masses(self) -> Values:
        """Sums of powers, shape [blocks]."""
        return np.empty(self.blocks)


@dataclass(frozen=True)
class Weights:
    """The powers 2^((z - best) scale + origin) of a row, in its room.

    Attributes:
        powers: float32 or float64, shape [vocab]; not written where the block's mass is 0.
        masses: the sum of each block; 0 where that is negligible.
        total: their sum.
        scale: doublings of probability a logit.
        exact: whether they are as good as float64 can be.
        origin: in doublings.
        far: the most that the blocks of mass 0 hold.
        far_first: that times their distance from ``origin`` in doublings.
    """

    powers: NDArray[np.floating]
    masses: Values
    total: float
    scale: float
    exact: bool
    origin: float = 0.0
    far: float = 0.0
    far_first: float = 0.0

    @property
    def off(self) -> float:
        """How far off a sum of masses, or a share of all, may be."""
        return 0.0 if self.exact else self.total * ROUGHNESS + 2 * self.far


@dataclass(frozen=True)
class Row:
    """A row that was read once.

    Attributes:
        logits: float32 or float64, contiguous, shape [vocab].
        maxima: the maximum of each block.
        best: the largest logit.
        room: to write to.
        weights: powers that were made in the same read, until the room is used for another row.
    """

    logits: NDArray[np.floating]
    maxima: Values
    best: float
    room: Room
    weights: Weights | None = None


def read(logits: NDArray[np.floating], room: Room, temperature: float | None = None) -> Row | None:
    """Read a row, and make its powers at a temperature if they are wanted; None if it must not be sampled."""
    maxima = np.empty(room.blocks)
    if temperature is None or logits.dtype != np.float32 or not COOLEST <= temperature <= HOTTEST:
        verdict = (scan32 if logits.dtype == np.float32 else scan64)(logits, maxima)
        return Row(logits, maxima, float(maxima.max()), room) if verdict == FINE else None
    scale = LOG2_E / temperature
    verdict, k, total, far, far_first = weigh32(logits, scale, maxima, room.single, room.masses)
    if verdict != FINE:
        return None
    row = Row(logits, maxima, float(maxima.max()), room)
    if math.isnan(k):
        return row
    origin = row.best * scale - k
    return replace(row, weights=Weights(room.single, room.masses, total, scale, False, origin, far, far_first))


def weighed(row: Row, temperature: float) -> Iterator[Weights]:
    """Yield a row's powers: those in float32 that came with the read, if there are any, then exact ones."""
    if row.weights is not None:
        yield row.weights
    scale, room = LOG2_E * rate_of(temperature), row.room
    total = weigh64(row.logits, row.best, scale, room.double, room.masses)
    yield Weights(room.double, room.masses, total, scale, True)
