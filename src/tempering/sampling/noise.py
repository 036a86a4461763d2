"""Counter-based noise: the same key gives the same number, whatever else was drawn. Knows nothing of logits.

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), as NumPy implements it. Key: (seed,
a constant of this library). Counter: (place // 4 + 1, step, sequence, stream); the word is place % 4. A stream gives
one number for each token, for each group of tokens, or for each row.

Gumbel noise is -log e, where e is an arrival time, exponential with mean 1: the largest noise is the earliest arrival.
Tokens stand in groups of ``GROUP`` neighbours, and of a group the earliest arrival is made first, so that a draw can
leave out groups that cannot win (``tempering.sampling.pick``). The earliest of m arrivals is exponential with mean 1/m;
which token it is is uniform and independent of it; and as the exponential has no memory, the others come after it by
independent exponential times of mean 1. So the arrivals of all tokens are independent and exponential with mean 1, as
if they had been made one by one. A group is always made as if it were full: a token's noise does not depend on the
size of the vocabulary.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError

DOMAIN = 0x74656D706572  # "temper": keeps this library's streams apart from any other use of the same seed
WORDS = 2**64
TOKENS, INVERSE, COIN, GROUPS = 0, 1, 2, 3
"""The streams: tokens after the first of their group, the uniform of the inverse draw, the coin of XTC, groups."""

GROUP = 64
"""Tokens whose earliest arrival is made first. A power of two up to 4096: the place is the low bits of a word."""

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Keys:
    """What the noise of some rows depends on, uint64 arrays of shape [rows].

    Attributes:
        seeds: of the noise.
        sequences: which text.
        steps: which place in the text.
    """

    seeds: Words
    sequences: Words
    steps: Words

    def __len__(self) -> int:
        return len(self.seeds)

    def each(self) -> list[tuple[int, int, int]]:
        """Return seed, sequence and step of each row."""
        return list(zip(self.seeds.tolist(), self.sequences.tolist(), self.steps.tolist(), strict=True))


def keys_of(seed: ArrayLike, sequence: ArrayLike, step: ArrayLike, shape: tuple[int, ...]) -> Keys:
    """Return the keys of rows of a leading shape.

    Args:
        seed: one number or one a row.
        sequence: which text, one number or one a row.
        step: which place in the text, one number or one a row.
        shape: the leading shape of the rows.

    Raises:
        ParameterError: one is not a whole number in [0, 2**64), or their shapes do not fit.
    """
    found = []
    for name, value in (("seed", seed), ("sequence", sequence), ("step", step)):
        words = _whole(name, value)
        try:
            found.append(np.broadcast_to(words, shape).ravel())
        except ValueError:
            raise ParameterError(f"{name} must be one number or one a row, {list(shape)}", field=name) from None
    return Keys(*found)


def _whole(name: str, value: ArrayLike) -> Words:
    """Return keys as unsigned integers.

    Raises:
        ParameterError: one is not a whole number in [0, 2**64).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or (array.dtype.kind == "i" and array.size and int(array.min()) < 0):
        raise ParameterError(f"{name} must be whole numbers in [0, 2**64), got {value!r}", field=name)
    return array.astype(np.uint64)


class Source:
    """Random words from any place of a stream. Not to be shared between threads."""

    def __init__(self) -> None:
        self._generator = np.random.Philox(key=np.zeros(2, np.uint64), counter=np.zeros(4, np.uint64))
        # Plain integers are set in half the time of arrays.
        self._state: Any = {**self._generator.state, "buffer": [0] * 4}

    def words(self, key: tuple[int, int, int], stream: int, count: int, place: int = 0) -> Words:
        """Return the words of a stream from a place on, a multiple of 4.

        Args:
            key: seed, sequence and step.
            stream: which stream.
            count: how many, >= 0; the first n words do not depend on it.
            place: of the first of them.
        """
        # NumPy raises the counter before it makes a block: the first block is that of counter 1.
        self._state["state"] = {"key": (key[0], DOMAIN), "counter": (place >> 2, key[2], key[1], stream)}
        self._generator.state = self._state
        drawn: Words = self._generator.random_raw(count)
        return drawn


def inside(drawn: Words) -> NDArray[np.float64]:
    """Return words as uniform numbers inside (0, 1), never 0 and never 1.

    ((word >> 12) + 0.5) / 2^52 is exact in float64. With 53 bits the largest would round to 1, whose logarithm is 0:
    that token would win whatever its logit.

    Example:
        >>> inside(np.array([0, 2**63, 2**64 - 1], np.uint64)).tolist() == [2.0**-53, 0.5 + 2.0**-53, 1 - 2.0**-53]
        True
    """
    return np.asarray(((drawn >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def one_each(keys: Keys, stream: int) -> NDArray[np.float64]:
    """Return one uniform number inside (0, 1) for each row, shape [rows], of a stream of its own.

    Example:
        >>> one_each(keys_of(7, [0, 1], 5, (2,)), COIN).round(4)
        array([0.0248, 0.9572])
    """
    source = Source()
    return inside(np.array([source.words(key, stream, 1)[0] for key in keys.each()], dtype=np.uint64))


def earliest(drawn: Words) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the earliest arrival of groups, and its place in the group, from one word a group.

    The time is made of the upper 52 bits, the place of the lowest: they are independent.
    """
    return -np.log(inside(drawn)) / GROUP, (drawn & np.uint64(GROUP - 1)).astype(np.int64)


def gumbel(seed: int, sequence: ArrayLike, step: ArrayLike, vocabulary: int) -> NDArray[np.float64]:
    """Return standard Gumbel noise, shape [..., vocabulary]: the definition, of which draws make what they need.

    Args:
        seed: in [0, 2**64).
        sequence: one number or an array [...] of them.
        step: one number or an array that broadcasts with ``sequence``.
        vocabulary: how many tokens.

    Raises:
        ParameterError: a key is not a whole number in [0, 2**64).

    Example:
        >>> rows = gumbel(7, [0, 1, 0], 5, 4)
        >>> bool((rows[0] == rows[2]).all()), bool((rows[0] == rows[1]).any())
        (True, False)
        >>> bool((rows == gumbel(7, [0, 1, 0], 5, 3000)[:, :4]).all())
        True
    """
    shape = np.broadcast_shapes(np.shape(sequence), np.shape(step))
    return gumbel_of(keys_of(seed, sequence, step, shape), vocabulary).reshape(*shape, vocabulary)


def gumbel_of(keys: Keys, vocabulary: int) -> NDArray[np.float64]:
    """Return the noise of rows by their keys, [rows, vocabulary]; see ``gumbel``."""
    groups, source = -(-vocabulary // GROUP), Source()
    arrivals = np.empty((len(keys), groups, GROUP))
    for row, key in zip(arrivals, keys.each(), strict=True):
        first, place = earliest(source.words(key, GROUPS, groups))
        after = np.log(inside(source.words(key, TOKENS, groups * GROUP)))
        np.subtract(first[:, None], after.reshape(groups, GROUP), out=row)
        row[np.arange(groups), place] = first
    return -np.log(arrivals.reshape(len(keys), groups * GROUP)[:, :vocabulary])


def sequence_of(prompt_id: str, sample: int) -> int:
    """Return the sequence key of a sample: a hash of prompt id and sample index, the same in every process.

    Example:
        >>> sequence_of("girl", 0) == sequence_of("girl", 0) != sequence_of("girl", 1)
        True
    """
    digest = hashlib.blake2b(f"{len(prompt_id)}:{prompt_id}:{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
