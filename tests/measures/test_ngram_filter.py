"""The hashed filter: nothing is forgotten, foreign n-grams pass at the stated rate, the shipped one is small."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tempering.errors import CorpusError
from tempering.measures.ngram_filter import (
    BITS_A_KEY,
    HASHES,
    NgramFilter,
    chosen,
    filter_bits,
    foreign,
    hashes,
    load_filter,
)
from tempering.measures.training_text import shipped_filter, shipped_filter_of
from tempering.measures.words import ngrams, words
from tempering.models.embedded import WEIGHTS

RATE = (1 - math.exp(-HASHES / BITS_A_KEY)) ** HASHES


def _documents(seed: int, count: int = 40) -> list[list[str]]:
    generator = random.Random(seed)
    return [[f"w{generator.randrange(3000)}" for _ in range(500)] for _ in range(count)]


def _made(documents: list[list[str]], one_in: dict[int, int], rate: float = 0.0) -> NgramFilter:
    made = {n: filter_bits(documents, n, part) for n, part in one_in.items()}
    return NgramFilter(
        "toy",
        "0",
        "toy",
        one_in,
        {n: keys for n, (_, keys) in made.items()},
        {n: bits for n, (bits, _) in made.items()},
        dict.fromkeys(one_in, rate),
    )


@pytest.mark.parametrize("one_in", [1, 4])
def test_nothing_that_was_there_is_forgotten(one_in: int) -> None:
    documents = _documents(0)
    made = _made(documents, {1: 1, 3: one_in})
    assert made.keys[1] == len({word for document in documents for word in document})
    assert made.novelty(documents, 1) == [0] * len(documents)
    assert made.novelty(documents, 3) == [0] * len(documents)


def test_foreign_ngrams_pass_at_the_stated_rate() -> None:
    """20,000 foreign n-grams: within 4 standard errors of (1 - exp(-k n / m))**k."""
    documents = _documents(1)
    made = _made(documents, {2: 1})
    got = made.known(list(foreign(documents, 2, 19_000)), 2).mean()
    assert abs(got - RATE) < 4 * math.sqrt(RATE * (1 - RATE) / 19_000)


def test_shares_are_right_though_only_some_are_asked_for() -> None:
    """Half of each text copied: the mean over 200 texts within 4 standard errors of the exact share, corrected."""
    documents, generator = _documents(2), random.Random(3)
    made = _made(documents, {2: 4}, RATE)
    every = {gram for document in documents for gram in ngrams(document, 2)}
    texts, exact = [], []
    for document in documents * 5:
        begin = generator.randrange(400)
        text = document[begin : begin + 60] + [f"x{generator.randrange(10**6)}" for _ in range(60)]
        texts.append(text)
        exact.append(np.mean([gram not in every for gram in ngrams(text, 2)]))
    got = np.array(made.novelty(texts, 2))
    difference = got - np.array(exact)
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(len(texts))


def test_one_in_four_is_one_in_four() -> None:
    share = chosen(hashes([(f"w{i}",) for i in range(40_000)]), 4).mean()
    assert abs(share - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 40_000)


def test_a_text_that_nothing_is_asked_of_has_no_share() -> None:
    made = _made(_documents(4, 1), {2: 1})
    assert math.isnan(made.novelty([["one"]], 2)[0])
    with pytest.raises(CorpusError, match="n = 2, not of 3"):
        made.novelty([["a", "b", "c"]], 3)


def test_a_filter_survives_its_file(tmp_path: Path) -> None:
    made = _made(_documents(5, 2), {1: 1, 4: 4}, 0.004)
    made.save(tmp_path / "f.npz")
    read = load_filter(tmp_path / "f.npz")
    assert (read.sizes, read.one_in, read.keys) == ((1, 4), made.one_in, made.keys)
    assert read.false_positives == {1: 0.004, 4: 0.004}
    assert all((read.bits[n] == made.bits[n]).all() for n in read.sizes)
    assert "1 in 4 (n=4)" in read.note
    assert "0.40 % (n=1)" in read.note


def test_what_is_no_filter(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "other.npz", x=np.arange(3))
    for name in ("none.npz", "text.npz", "other.npz"):
        with pytest.raises(CorpusError, match="cannot read the filter"):
            load_filter(tmp_path / name)


def test_the_shipped_filter_is_small_and_sharp() -> None:
    known = shipped_filter()
    assert (WEIGHTS / "ngrams.npz").stat().st_size < 16e6
    assert all(rate <= 0.005 for rate in known.false_positives.values())
    assert shipped_filter_of("tempering-stories@abc") is known
    assert shipped_filter_of("another@abc") is None
    generator = random.Random(6)
    nonsense = ["".join(generator.choices("qxzjkvw", k=9)) for _ in range(2000)]
    for n in known.sizes:
        [share] = known.novelty([nonsense], n)
        assert share > 0.985, "random words are new"
    opening = words("Once upon a time, there was a little girl named Lily. She loved to play outside in the")
    assert [known.novelty([opening], n)[0] for n in (1, 2)] == [0, 0]


def test_no_text_can_be_read_out_of_the_file() -> None:
    data = (WEIGHTS / "ngrams.npz").read_bytes()
    for word in (b"once", b"princess", b"little girl"):
        assert word not in data
    # Random bits of the density that hashing gives: there is nothing else in it.
    for n, bits in shipped_filter().bits.items():
        ones = float(np.unpackbits(bits).mean())
        expected = 1 - math.exp(-HASHES * shipped_filter().keys[n] / (len(bits) * 8))
        assert abs(ones - expected) < 0.002, n


def test_a_measured_rate_corrects_the_share() -> None:
    made = _made(_documents(7, 2), {1: 1})
    plain = made.novelty([["w1", "nothing1", "nothing2", "w2"]], 1)[0]
    corrected = replace(made, false_positives={1: 0.2}).novelty([["w1", "nothing1", "nothing2", "w2"]], 1)[0]
    assert corrected == pytest.approx(min(1, plain / 0.8))
