"""The noise of any token, made alone, is the noise of the whole row."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering.sampling.kernels.philox import GUMBEL_BOUND, block, first_uniforms, gumbel_at, uniform
from tempering.sampling.noise import COIN, gumbel, one_each, words

WORD = st.integers(0, 2**64 - 1)


@settings(deadline=None, max_examples=60)
@given(WORD, WORD, WORD, st.lists(st.integers(0, 90), min_size=1, max_size=20, unique=True).map(sorted))
def test_any_token_alone(seed: int, sequence: int, step: int, ids: list[int]) -> None:
    key = np.uint64(seed), np.uint64(sequence), np.uint64(step)
    row = words(seed, sequence, step, 92)
    for token in ids:
        assert block(*key, np.uint64(token >> 2), np.uint64(0))[token & 3] == row[token]
    out = np.empty(len(ids))
    gumbel_at(*key, np.array(ids), out)
    assert np.allclose(out, gumbel(seed, np.uint64(sequence), np.uint64(step), 92)[ids], rtol=1e-14, atol=1e-15)
    first_uniforms(key[0], np.array([key[1]]), np.array([key[2]]), np.uint64(COIN), out[:1])
    assert out[0] == one_each(seed, key[1], key[2], COIN)


def test_the_largest_word_stays_under_the_bound() -> None:
    largest = -np.log(-np.log(uniform(np.uint64(2**64 - 1))))
    assert 36 < largest < GUMBEL_BOUND
