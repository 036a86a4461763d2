"""Counter-based noise: the same key gives the same number, whatever else was drawn. Knows nothing of logits.

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), as NumPy implements it. Key: (seed,
a constant of this library). Counter: (token // 4 + 1, step, sequence, stream); the word is token % 4. Stream 0 is the
noise of tokens; other streams give one number a row.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError

DOMAIN = 0x74656D706572  # "temper": keeps this library's streams apart from any other use of the same seed
WORDS = 2**64
TOKENS, INVERSE, COIN = 0, 1, 2
"""The streams: Gumbel noise, the uniform of the inverse draw, the coin of XTC."""


def words(seed: int, sequence: int, step: int, count: int, stream: int = TOKENS) -> NDArray[np.uint64]:
    """Return ``count`` random 64-bit words, one a token.

    Args:
        seed: in [0, 2**64).
        sequence: in [0, 2**64): which text.
        step: in [0, 2**64): which place in the text.
        count: how many, >= 0; the first n words do not depend on it.
        stream: which stream.

    Raises:
        ParameterError: a key is outside its range.
    """
    for name, value in (("seed", seed), ("sequence", sequence), ("step", step)):
        if not 0 <= value < WORDS:
            raise ParameterError(f"{name} must be in [0, 2**64), got {value}", field=name)
    # NumPy raises the counter before it makes a block: the first block is that of counter 1.
    # A list of Python integers beyond 2**63 would pass through float64 and lose its low bits: name the type.
    key, counter = np.array([seed, DOMAIN], np.uint64), np.array([0, step, sequence, stream], np.uint64)
    generator = np.random.Philox(key=key, counter=counter)
    return np.asarray(generator.random_raw(count), dtype=np.uint64)


def uniforms(seed: int, sequence: int, step: int, count: int) -> NDArray[np.float64]:
    """Return uniform numbers inside (0, 1), never 0 and never 1.

    ((word >> 12) + 0.5) / 2^52 is exact in float64. With 53 bits the largest would round to 1,
    whose Gumbel value is infinite: that token would win whatever its logit.

    Example:
        >>> uniforms(7, 0, 0, 3).round(4)
        array([0.6243, 0.3679, 0.0241])
    """
    return _inside(words(seed, sequence, step, count))


def _inside(drawn: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.asarray(((drawn >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52)


def one_each(seed: int, sequence: ArrayLike, step: ArrayLike, stream: int) -> NDArray[np.float64]:
    """Return one uniform number inside (0, 1) for each row, shape [...], of a stream of its own.

    Example:
        >>> one_each(7, [0, 1], 5, COIN).round(4)
        array([0.0248, 0.9572])
    """
    sequences, steps = np.broadcast_arrays(whole("sequence", sequence), whole("step", step))
    keys = zip(sequences.ravel().tolist(), steps.ravel().tolist(), strict=True)
    drawn = [words(seed, one, at, 1, stream)[0] for one, at in keys]
    return _inside(np.array(drawn, dtype=np.uint64)).reshape(sequences.shape)


def gumbel(seed: int, sequence: ArrayLike, step: ArrayLike, vocabulary: int) -> NDArray[np.float64]:
    """Return standard Gumbel noise, -log(-log u), shape [..., vocabulary].

    Args:
        seed: in [0, 2**64).
        sequence: one number or an array [...] of them.
        step: one number or an array that broadcasts with ``sequence``.
        vocabulary: how many tokens.

    Example:
        >>> rows = gumbel(7, [0, 1, 0], 5, 4)
        >>> bool((rows[0] == rows[2]).all()), bool((rows[0] == rows[1]).any())
        (True, False)
    """
    sequences, steps = np.broadcast_arrays(whole("sequence", sequence), whole("step", step))
    keys = list(zip(sequences.ravel().tolist(), steps.ravel().tolist(), strict=True))
    # Rows with the same key (one sample at several temperatures) share their noise: compute it once.
    place = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    drawn = np.empty((len(place), vocabulary))
    for (one, at), index in place.items():
        drawn[index] = uniforms(seed, one, at, vocabulary)
    noise = -np.log(-np.log(drawn))
    return noise[[place[key] for key in keys]].reshape(*sequences.shape, vocabulary)


def whole(name: str, value: ArrayLike) -> NDArray[np.uint64]:
    """Return keys as unsigned integers.

    Raises:
        ParameterError: one is not a whole number in [0, 2**64).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or (array.size and int(array.min()) < 0):
        raise ParameterError(f"{name} must be whole numbers in [0, 2**64)", field=name)
    return array.astype(np.uint64)


def sequence_of(prompt_id: str, sample: int) -> int:
    """Return the sequence key of a sample: a hash of prompt id and sample index, the same in every process.

    Example:
        >>> sequence_of("girl", 0) == sequence_of("girl", 0) != sequence_of("girl", 1)
        True
    """
    digest = hashlib.blake2b(f"{len(prompt_id)}:{prompt_id}:{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")
