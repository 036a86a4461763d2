"""A hashed filter of a training text's n-grams: was this sequence of words in it? Knows no text.

A Bloom filter (Bloom 1970) for each n: an n-gram sets ``HASHES`` bits, chosen by BLAKE2b of its words. An n-gram that
was in the text is always recognised; one that was not is taken for one of the text with the false-positive rate f, so
the share of new ones is divided by 1 - f. For long n-grams only some are held, chosen by the same hash, and only those
are asked for: the share is unbiased, with fewer n-grams to count.

The filter holds no word and no number of times: nothing can be listed from it. One can only ask whether a guess is in
it, and wrong guesses are confirmed at the rate f.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tempering.errors import CorpusError
from tempering.measures.words import ngrams

FORMAT = 1
HASHES = 8
BITS_A_KEY = 11.6
"""8 bits of 11.6 for each n-gram make a false-positive rate of (1 - exp(-8 / 11.6))**8 = 0.38 %."""

BATCH = 1 << 20
Hashes = NDArray[np.uint64]


def hashes(grams: Iterable[Sequence[str]]) -> Hashes:
    """Return two 64-bit hashes of each n-gram, shape [n-grams, 2].

    Example:
        >>> hashes([("the", "fox")]).shape
        (1, 2)
    """
    joined = b"".join(hashlib.blake2b(" ".join(gram).encode(), digest_size=16).digest() for gram in grams)
    return np.frombuffer(joined, dtype="<u8").reshape(-1, 2)


def chosen(found: Hashes, one_in: int) -> NDArray[np.bool_]:
    """Return which n-grams belong to the fixed choice of one in so many."""
    # The lowest bits choose the place in the filter; these are the highest, which no place depends on much.
    return np.asarray((found[:, 1] >> np.uint64(40)) % np.uint64(one_in) == 0)


def _places(found: Hashes, size: int) -> NDArray[np.uint64]:
    """Return the bits of each n-gram, shape [n-grams, HASHES]: a + i b (Kirsch and Mitzenmacher 2006)."""
    steps = np.arange(HASHES, dtype=np.uint64)
    odd = found[:, 1] | np.uint64(1)
    return (found[:, :1] + steps * odd[:, None]) % np.uint64(size)


@dataclass(frozen=True)
class NgramFilter:
    """The n-grams of a training text, hashed; a ``TrainingText``.

    Attributes:
        name: what a reader knows the text by.
        identity: a hash of the filter's content.
        model: the name in the identity of the model that was trained on the text.
        one_in: for each n, one n-gram in how many is held.
        keys: for each n, how many different n-grams are held.
        bits: for each n, the filter: uint8, little end first.
        false_positives: for each n, the measured share of foreign n-grams that are taken for known, in [0, 1).
    """

    name: str
    identity: str
    model: str
    one_in: Mapping[int, int]
    keys: Mapping[int, int]
    bits: Mapping[int, NDArray[np.uint8]]
    false_positives: Mapping[int, float]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The n that it holds."""
        return tuple(sorted(self.bits))

    @property
    def note(self) -> str:
        """What it is and how exact its answers are."""
        rates = ", ".join(f"{100 * self.false_positives[n]:.2f} % (n={n})" for n in self.sizes)
        part = ", ".join(f"1 in {self.one_in[n]} (n={n})" for n in self.sizes if self.one_in[n] > 1)
        asked = f"; of long n-grams only some are asked for: {part}" if part else ""
        return (
            f"Training text: {self.name}, through a hashed filter with false-positive rates of {rates}, "
            f"which are corrected for{asked}."
        )

    def known(self, grams: Sequence[Sequence[str]], n: int) -> NDArray[np.bool_]:
        """Return whether each n-gram is in the filter, all of them asked for."""
        return self._holds(hashes(grams), n)

    def _holds(self, found: Hashes, n: int) -> NDArray[np.bool_]:
        bits = self.bits[n]
        places = _places(found, len(bits) * 8)
        held = bits[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8) & 1
        result: NDArray[np.bool_] = held.all(axis=1)
        return result

    def novelty(self, texts: Sequence[Sequence[str]], n: int) -> list[float]:
        """Return the share of each text's n-grams that are new, corrected, in [0, 1]; NaN where none is asked for.

        Raises:
            CorpusError: the filter holds no n-grams of this n.
        """
        if n not in self.bits:
            raise CorpusError(f"the filter holds n-grams of n = {', '.join(map(str, self.sizes))}, not of {n}")
        shares = []
        for text in texts:
            found = hashes(ngrams(text, n))
            found = found[chosen(found, self.one_in[n])]
            new = float(1 - self._holds(found, n).mean()) / (1 - self.false_positives[n]) if len(found) else math.nan
            shares.append(1.0 if new > 1 else new)
        return shares

    def save(self, path: Path) -> None:
        """Write the filter as ``.npz``."""
        head = {"format": FORMAT, "name": self.name, "identity": self.identity, "model": self.model}
        facts = {
            str(n): {"one_in": self.one_in[n], "keys": self.keys[n], "false_positives": self.false_positives[n]}
            for n in self.sizes
        }
        about = np.frombuffer(json.dumps(head | {"facts": facts}, sort_keys=True).encode(), dtype=np.uint8)
        arrays: dict[str, Any] = {f"bits_{n}": self.bits[n] for n in self.sizes}
        np.savez(path, about=about, **arrays)


def load_filter(path: Path) -> NgramFilter:
    """Return a filter that was saved.

    Raises:
        CorpusError: the file is missing or is no filter of this version.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            head = json.loads(arrays["about"].tobytes())
            if head["format"] != FORMAT:
                raise CorpusError(f"{path} has filter format {head['format']}, this version reads {FORMAT}")
            facts = {int(n): known for n, known in head["facts"].items()}
            return NgramFilter(
                name=head["name"],
                identity=head["identity"],
                model=head["model"],
                one_in={n: known["one_in"] for n, known in facts.items()},
                keys={n: known["keys"] for n, known in facts.items()},
                bits={n: arrays[f"bits_{n}"] for n in facts},
                false_positives={n: known["false_positives"] for n, known in facts.items()},
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise CorpusError(f"cannot read the filter {path}: {problem}") from None


def filter_bits(documents: Sequence[Sequence[str]], n: int, one_in: int = 1) -> tuple[NDArray[np.uint8], int]:
    """Return the filter of the n-grams of documents (their words), and how many different ones it holds."""
    pieces = []
    grams = (gram for document in documents for gram in ngrams(document, n))
    while len(found := hashes(islice(grams, BATCH))):
        pieces.append(found[chosen(found, one_in)])
    every = np.unique(np.concatenate(pieces), axis=0) if pieces else np.zeros((0, 2), dtype=np.uint64)
    bits = np.zeros(max(1, math.ceil(len(every) * BITS_A_KEY / 8)), dtype=np.uint8)
    for begin in range(0, len(every), BATCH):
        places = _places(every[begin : begin + BATCH], len(bits) * 8).ravel()
        np.bitwise_or.at(bits, places >> np.uint64(3), np.uint8(1) << (places & np.uint64(7)).astype(np.uint8))
    return bits, len(every)


def foreign(documents: Sequence[Sequence[str]], n: int, count: int) -> Iterator[tuple[str, ...]]:
    """Yield so many n-grams that no text has: words of the documents, each with a mark that no word holds.

    Their false-positive rate is that of any foreign n-gram, as the hash knows nothing of likeness.
    """
    made = 0
    for document in documents:
        for gram in ngrams(document, n):
            if made == count:
                return
            made += 1
            yield (f"#{made}", *gram[1:])
