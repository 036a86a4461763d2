"""Noise: Philox as published, uniforms that never reach 0 or 1, and a tail that is right at a large vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tempering.errors import ParameterError
from tempering.sampling.noise import DOMAIN, gumbel, sequence_of, uniforms, words

MASK = 2**64 - 1


def philox4x64(counter: tuple[int, ...], key: tuple[int, int], rounds: int = 10) -> tuple[int, ...]:
    """Return a block of Philox4x64 (Salmon et al. 2011, figure 2), written from the paper."""
    c, (k0, k1) = list(counter), key
    for _ in range(rounds):
        first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [(second >> 64) ^ c[1] ^ k0, second & MASK, (first >> 64) ^ c[3] ^ k1, first & MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return tuple(c)


@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        ("0 0 0 0", "0 0", "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
        (
            "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff",
            "ffffffffffffffff ffffffffffffffff",
            "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
        ),
        (
            "243f6a8885a308d3 13198a2e03707344 a4093822299f31d0 082efa98ec4e6c89",
            "452821e638d01377 be5466cf34e90c6c",
            "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
        ),
    ],
)
def test_published_known_answers(counter: str, key: str, block: str) -> None:
    def read(text: str) -> tuple[int, ...]:
        return tuple(int(word, 16) for word in text.split())

    assert philox4x64(read(counter), read(key)[:2]) == read(block)  # type: ignore[arg-type]


@given(st.integers(0, MASK), st.integers(0, MASK), st.integers(0, MASK), st.integers(1, 40))
def test_words_are_the_documented_blocks(seed: int, sequence: int, step: int, count: int) -> None:
    expected = [philox4x64((t // 4 + 1, step, sequence, 0), (seed, DOMAIN))[t % 4] for t in range(count)]
    assert words(seed, sequence, step, count).tolist() == expected


def test_the_first_numbers_do_not_depend_on_how_many_are_asked() -> None:
    assert (words(1, 2, 3, 5) == words(1, 2, 3, 262_144)[:5]).all()


@pytest.mark.parametrize("word", [0, MASK])
def test_extreme_words_stay_inside_the_interval(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempering.sampling.noise.words", lambda *_: np.array([word], dtype=np.uint64))
    u = uniforms(0, 0, 0, 1)
    assert 0 < u[0] < 1
    assert np.isfinite(-np.log(-np.log(u))).all()


def test_uniforms_are_uniform_and_fine_grained() -> None:
    """One Kolmogorov-Smirnov test at p > 1e-4, and no repeats among a million (24-bit numbers repeat 29,000 times)."""
    u = np.concatenate([uniforms(11, sequence, 0, 250_000) for sequence in range(4)])
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    assert len(np.unique(u)) == len(u)


def test_the_tail_at_a_large_vocabulary_is_gumbel() -> None:
    """The largest of 262,144 Gumbels is Gumbel with location log 262,144; 24-bit noise would show an atom there."""
    vocabulary = 262_144
    largest = gumbel(5, np.arange(400), 9, vocabulary).max(axis=1)
    assert stats.kstest(largest - np.log(vocabulary), "gumbel_r").pvalue > 1e-4
    assert len(np.unique(largest)) == 400


def test_keys_are_told_apart_and_repeats_are_equal() -> None:
    rows = gumbel(3, [[0, 1], [1, 0]], [[0, 0], [1, 0]], 8)
    assert rows.shape == (2, 2, 8)
    assert (rows[0, 0] == rows[1, 1]).all()
    flat = {tuple(row) for row in rows.reshape(4, 8)}
    assert len(flat) == 3


def test_streams_of_neighbouring_keys_are_uncorrelated() -> None:
    noise = gumbel(0, np.arange(6), 0, 50_000)
    correlation = np.corrcoef(noise) - np.eye(6)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(50_000)


@pytest.mark.parametrize(("seed", "sequence", "step"), [(-1, 0, 0), (2**64, 0, 0), (0, -1, 0), (0, 0, -2), (0, 0.5, 0)])
def test_keys_outside_their_range_are_refused(seed: int, sequence: int, step: int) -> None:
    with pytest.raises(ParameterError, match=r"in \[0, 2\*\*64\)"):
        gumbel(seed, sequence, step, 3)


def test_a_sequence_key_depends_on_prompt_and_sample_alone() -> None:
    keys = {sequence_of(prompt, sample) for prompt in ("a", "b", "a:1", "") for sample in range(50)}
    assert len(keys) == 200
    assert sequence_of("girl", 1) == 16717431301568210520
