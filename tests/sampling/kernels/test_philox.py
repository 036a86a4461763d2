"""The noise of any token, made alone, is the noise of the whole row."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering.sampling.kernels.philox import GUMBEL_BOUND, block, earliest, first_uniforms, gumbel_at
from tempering.sampling.noise import COIN, GROUP, TOKENS, Source, gumbel, keys_of, one_each

WORD = st.integers(0, 2**64 - 1)


@settings(deadline=None, max_examples=60)
@given(WORD, WORD, WORD, st.lists(st.integers(0, 8 * GROUP - 1), min_size=1, max_size=20, unique=True).map(sorted))
def test_any_token_alone(seed: int, sequence: int, step: int, ids: list[int]) -> None:
    key = np.uint64(seed), np.uint64(sequence), np.uint64(step)
    row = Source().words((seed, sequence, step), TOKENS, 8 * GROUP)
    for token in ids:
        assert block(*key, np.uint64(token >> 2), np.uint64(0))[token & 3] == row[token]
    out = np.empty(len(ids))
    gumbel_at(*key, np.array(ids), out)
    assert np.allclose(out, gumbel(seed, np.uint64(sequence), np.uint64(step), 8 * GROUP)[ids], rtol=1e-14, atol=1e-15)
    first_uniforms(*(np.array([word]) for word in key), np.uint64(COIN), out[:1])
    assert out[0] == one_each(keys_of(*key, (1,)), COIN)[0]


def test_the_largest_word_stays_under_the_bound() -> None:
    first, place = earliest(np.uint64(2**64 - 1))
    assert 40 < -np.log(first) < GUMBEL_BOUND
    assert place == GROUP - 1
