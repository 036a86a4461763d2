"""DRY: its formula on texts whose repeats are known, and against a plain search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering import Context, SamplingParams
from tempering.errors import ParameterError
from tempering.sampling.penalties import dry


def penalties(context: Context, vocabulary: int = 9, **settings: float) -> list[float]:
    params = SamplingParams(dry_multiplier=1, **settings)  # type: ignore[arg-type]
    found: list[float] = (-dry(np.zeros((1, vocabulary)), params, context)[0]).tolist()
    return found


def test_the_token_that_continues_a_repeat_is_penalised() -> None:
    found = penalties(Context(prompt=(1, 2, 3, 4), generated=(7, 1, 2, 3)), dry_base=2)
    assert np.allclose(found, [0, 0, 0, 0, 2, 0, 0, 0, 0]), (
        "1 2 3 came before 4: three tokens, one above the allowed two"
    )
    assert penalties(Context(generated=(1, 2, 5, 2))) == [0.0] * 9, "a single token is no passage"
    assert penalties(Context(generated=(1, 2, 5, 2)), dry_allowed_length=1)[5] == 1
    assert penalties(Context()) == [0.0] * 9


def test_the_longest_copy_counts() -> None:
    found = penalties(Context(generated=(1, 2, 3, 8, 2, 3, 8, 1, 2, 3)), dry_base=3)
    assert np.isclose(found[8], 3)


def test_an_endless_repeat_stays_finite() -> None:
    assert np.isfinite(penalties(Context(generated=(4,) * 3000), dry_base=4)).all()


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_lengths_are_those_of_a_plain_search(ids: list[int], allowed: int) -> None:
    expected = [0.0] * 4
    for token in range(4):
        lengths = [
            n
            for end in range(len(ids) - 1)
            if ids[end + 1] == token
            for n in range(1, end + 2)
            if ids[end + 1 - n : end + 1] == ids[len(ids) - n :]
        ]
        if lengths and max(lengths) >= allowed:
            expected[token] = 1.5 ** (max(lengths) - allowed)
    got = penalties(Context(generated=tuple(ids)), 4, dry_base=1.5, dry_allowed_length=allowed)
    assert np.allclose(got, expected)


def test_ids_outside_the_vocabulary_are_refused() -> None:
    with pytest.raises(ParameterError, match="outside the vocabulary"):
        penalties(Context(prompt=(9,)))
