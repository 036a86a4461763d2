"""Suffix order and longest matches against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering.measures.suffixes import longest_matches, suffix_order

ITEMS = st.one_of(
    st.lists(st.integers(0, 2), max_size=60),
    st.lists(st.integers(0, 10**6), max_size=40),
    st.builds(
        lambda piece, times: piece * times, st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(1, 20)
    ),
)


@given(ITEMS)
def test_suffixes_stand_in_order(items: list[int]) -> None:
    order = suffix_order(np.array(items, dtype=np.int32))
    assert order.tolist() == sorted(range(len(items)), key=lambda begin: items[begin:])


@settings(deadline=None)  # the search is compiled when it is first used
@given(ITEMS, st.lists(st.integers(-1, 4), max_size=30))
def test_matches_are_the_longest_there_are(items: list[int], query: list[int]) -> None:
    there = np.array(items, dtype=np.int32)
    got = longest_matches(there, suffix_order(there), np.array(query, dtype=np.int32))
    pieces = {tuple(items[a:b]) for a in range(len(items)) for b in range(a, len(items) + 1)} | {()}
    for begin, length in enumerate(got.tolist()):
        assert tuple(query[begin : begin + length]) in pieces
        assert begin + length == len(query) or tuple(query[begin : begin + length + 1]) not in pieces


@pytest.mark.parametrize("piece", [[1], [1, 2], list(range(997))])
def test_a_corpus_that_repeats_itself_is_no_trap(piece: list[int]) -> None:
    """50,000 items that are all one repetition: each doubling sorts everything, and the order is known."""
    items = np.array((piece * (50_000 // len(piece) + 1))[:50_000], dtype=np.int32)
    order = suffix_order(items)
    assert sorted(order.tolist()) == list(range(len(items)))
    assert longest_matches(items, order, items[:100]).tolist() == list(range(100, 0, -1))
    assert order[0] == max(begin for begin in range(len(items)) if items[begin] == min(piece))
