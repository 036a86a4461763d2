"""Noise: Philox as published, numbers that never reach 0 or 1, and Gumbel noise made group by group that is Gumbel."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tempering.errors import ParameterError
from tempering.sampling.noise import (
    DOMAIN,
    GROUP,
    GROUPS,
    TOKENS,
    Source,
    earliest,
    gumbel,
    inside,
    keys_of,
    sequence_of,
)

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


@given(
    st.tuples(*[st.integers(0, MASK)] * 3), st.integers(1, 40), st.integers(0, 2**60), st.sampled_from([TOKENS, GROUPS])
)
def test_words_are_the_documented_ones(key: tuple[int, int, int], count: int, block: int, stream: int) -> None:
    seed, sequence, step = key
    places = range(4 * block, 4 * block + count)
    expected = [philox4x64((t // 4 + 1, step, sequence, stream), (seed, DOMAIN))[t % 4] for t in places]
    source = Source()
    source.words((1, 2, 3), TOKENS, 5)  # what was drawn before does not matter
    assert source.words(key, stream, count, 4 * block).tolist() == expected


@pytest.mark.parametrize("word", [0, MASK])
def test_extreme_words_give_finite_noise(word: int) -> None:
    drawn = np.array([word], dtype=np.uint64)
    u, (first, place) = inside(drawn), earliest(drawn)
    assert 0 < u[0] < 1
    assert place[0] == word % GROUP
    for arrival in (first, first - np.log(u)):
        assert np.isfinite(-np.log(arrival)).all()


@given(st.tuples(*[st.integers(0, MASK)] * 3), st.integers(1, 3 * GROUP))
def test_a_token_s_noise_is_the_documented_function_of_its_key(key: tuple[int, int, int], vocabulary: int) -> None:
    """Written from the page in docs/sampling.md, with the logarithms of the standard library."""

    def uniform(stream: int, place: int) -> float:
        return ((word(stream, place) >> 12) + 0.5) / 2**52

    def word(stream: int, place: int) -> int:
        return philox4x64((place // 4 + 1, key[2], key[1], stream), (key[0], DOMAIN))[place % 4]

    noise = gumbel(key[0], np.uint64(key[1]), np.uint64(key[2]), vocabulary)
    for token in range(vocabulary):
        group, place = divmod(token, GROUP)
        arrival = -math.log(uniform(GROUPS, group)) / GROUP
        if word(GROUPS, group) % GROUP != place:
            arrival -= math.log(uniform(TOKENS, token))
        assert noise[token] == pytest.approx(-math.log(arrival), rel=1e-13, abs=1e-14)


def test_every_token_s_noise_is_gumbel_whatever_its_place() -> None:
    """Kolmogorov-Smirnov for 2 groups of places, 10,000 rows: 128 tests at 1e-6."""
    noise = gumbel(11, np.arange(10_000), 0, 2 * GROUP)
    p = [stats.kstest(noise[:, token], "gumbel_r").pvalue for token in range(2 * GROUP)]
    assert min(p) > 1e-6
    assert len(np.unique(noise)) == noise.size, "24-bit numbers would repeat"


def test_tokens_of_a_group_are_independent() -> None:
    """Normal scores: no correlation, of values and of squares, beyond 6 standard errors; 2,556 pairs each."""
    rows = 10_000
    scores = stats.norm.ppf(np.exp(-np.exp(-gumbel(12, np.arange(rows), 3, GROUP + 8))))
    for values in (scores, scores**2):
        correlation = np.corrcoef(values.T) - np.eye(values.shape[1])
        assert np.abs(correlation).max() < 6 / math.sqrt(rows)


def test_the_order_of_a_group_is_uniform_and_independent_of_its_largest() -> None:
    """Chi-square of the place of the largest and of the second, at 1e-6 each, and of how they lie to each other."""
    noise = gumbel(13, np.arange(10_000), 1, GROUP)
    ranked = np.argsort(-noise, axis=1)
    for column in (0, 1, GROUP - 1):
        assert stats.chisquare(np.bincount(ranked[:, column], minlength=GROUP)).pvalue > 1e-6
    gap = (ranked[:, 1] - ranked[:, 0]) % GROUP
    assert stats.chisquare(np.bincount(gap, minlength=GROUP)[1:]).pvalue > 1e-6
    largest = noise.max(axis=1)
    assert abs(stats.spearmanr(largest, ranked[:, 0]).statistic) < 6 / math.sqrt(len(noise))
    # Gaps between neighbouring order statistics: exponential times with the rates 1, 2, ... (Renyi 1953).
    arrivals = np.sort(np.exp(-noise), axis=1)
    steps = np.diff(arrivals, axis=1, prepend=0.0) * np.arange(GROUP, 0, -1)
    assert min(stats.kstest(steps[:, k], "expon").pvalue for k in range(GROUP)) > 1e-6


def test_the_tail_at_a_large_vocabulary_is_gumbel() -> None:
    """The largest of 262,144 Gumbels is Gumbel with location log 262,144; 24-bit noise would show an atom there."""
    vocabulary = 262_144
    largest = np.array([gumbel(5, sequence, 9, vocabulary).max() for sequence in range(400)])
    assert stats.kstest(largest - np.log(vocabulary), "gumbel_r").pvalue > 1e-4
    assert len(np.unique(largest)) == 400


def test_the_noise_of_a_token_does_not_depend_on_the_vocabulary() -> None:
    whole = gumbel(1, 2, 3, 5 * GROUP)
    for vocabulary in (1, 5, GROUP, GROUP + 1, 4 * GROUP - 1):
        assert (gumbel(1, 2, 3, vocabulary) == whole[:vocabulary]).all()
    assert gumbel(1, [2, 3], 3, 0).shape == (2, 0)


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
    with pytest.raises(ParameterError, match="sequence must be one number or one a row"):
        keys_of(0, [1, 2, 3], 0, (2,))


def test_a_sequence_key_depends_on_prompt_and_sample_alone() -> None:
    keys = {sequence_of(prompt, sample) for prompt in ("a", "b", "a:1", "") for sample in range(50)}
    assert len(keys) == 200
    assert sequence_of("girl", 1) == 16717431301568210520
