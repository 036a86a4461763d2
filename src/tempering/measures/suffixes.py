"""The suffixes of a sequence of numbers in order, and the longest piece that another sequence shares with it.

Knows integers only. The order is made by prefix doubling (Manber and Myers 1993), each round a sort of those suffixes
that are not told apart yet; a search is a binary search that remembers how far both ends agree.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int32]
Search = Callable[[Numbers, Numbers, Numbers, Numbers], None]


def suffix_order(items: Numbers) -> Numbers:
    """Return where each suffix begins, smallest suffix first; shape as ``items``, which are >= 0.

    Example:
        >>> suffix_order(np.array([2, 1, 2, 1], dtype=np.int32)).tolist()
        [3, 1, 2, 0]
    """
    n = len(items)
    if n == 0:
        return np.zeros(0, dtype=np.int32)
    key, length = _packed(items)
    order = np.argsort(key).astype(np.int32)
    new = np.concatenate([[True], np.diff(key[order]) != 0])
    del key
    rank = np.empty(n, dtype=np.int64)
    rank[order] = _first_of_group(new)
    while not new.all():
        open_places = _in_groups(new)
        suffixes = order[open_places]
        after = suffixes.astype(np.int64) + length
        # A suffix that ends first is the smaller one: what comes after the end has rank -1, shifted to 0.
        behind = np.where(after < n, rank[np.minimum(after, n - 1)] + 1, 0)
        key = rank[suffixes] * (n + 1) + behind
        sorted_key = np.argsort(key)
        order[open_places] = suffixes[sorted_key]
        new[open_places[1:]] |= np.diff(key[sorted_key]) != 0
        rank[order[open_places]] = _first_of_group(new)[open_places]
        length *= 2
    return order


def _packed(items: Numbers) -> tuple[NDArray[np.int64], int]:
    """Return a key of the first few items of each suffix, as many as fit into 62 bits, and how many those are."""
    n, bits = len(items), max(1, int(items.max() + 1).bit_length())
    length = max(1, min(62 // bits, n))
    key = np.zeros(n, dtype=np.int64)
    for offset in range(length):
        key <<= bits
        key[: n - offset] |= items[offset:] + 1
    return key, length


def _first_of_group(new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each place the place at which its group of equals begins."""
    return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))


def _in_groups(new: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the places of suffixes that have an equal."""
    alone = new & np.concatenate([new[1:], [True]])
    return np.flatnonzero(~alone)


def longest_matches(items: Numbers, order: Numbers, query: Numbers) -> Numbers:
    """Return for each place of the query the length of the longest piece from there on that ``items`` hold.

    Args:
        items: the sequence searched, >= 0.
        order: its suffixes in order.
        query: what to look for; negative numbers match nothing.

    Example:
        >>> items = np.array([5, 1, 2, 3], dtype=np.int32)
        >>> longest_matches(items, suffix_order(items), np.array([1, 2, -1, 3], dtype=np.int32)).tolist()
        [2, 1, 0, 1]
    """
    out = np.zeros(len(query), dtype=np.int32)
    if len(items):
        _search()(items, order, query, out)
    return out


@cache
def _search() -> Search:
    from numba import njit  # noqa: PLC0415 - a compiler is loaded when used

    compiled: Search = njit(cache=True, nogil=True)(_search_all)
    return compiled


def _search_all(items: Numbers, order: Numbers, query: Numbers, out: Numbers) -> None:
    n, m = len(order), len(query)
    for begin in range(m):
        low, high, low_agrees, high_agrees, best = 0, n, 0, 0, 0
        while low < high:
            middle = (low + high) // 2
            place, agrees = order[middle], min(low_agrees, high_agrees)
            while begin + agrees < m and place + agrees < n and items[place + agrees] == query[begin + agrees]:
                agrees += 1
            best = max(best, agrees)
            if begin + agrees == m:
                break
            if place + agrees == n or items[place + agrees] < query[begin + agrees]:
                low, low_agrees = middle + 1, agrees
            else:
                high, high_agrees = middle, agrees
        out[begin] = best
