"""Each rule against a plain definition written as a loop, on random rows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tempering.orders import Edge
from tempering.sampling.rows import log_softmax
from tempering.sampling.truncation import RULES, Step, xtc

# Logits on a coarse grid, so that ties are common.
ROWS = st.integers(1, 25).flatmap(
    lambda n: hnp.arrays(np.float64, n, elements=st.integers(-24, 24).map(lambda i: i / 4))
)


def _ranked(p: list[float]) -> list[int]:
    return sorted(range(len(p)), key=lambda i: (-p[i], i))


def _until(p: list[float], order: list[int], mass: float) -> set[int]:
    kept: list[int] = []
    for token in order:
        kept.append(token)
        if math.fsum(p[i] for i in kept) >= mass - 1e-12:
            break
    return set(kept)


def _entropy(p: list[float]) -> float:
    return -math.fsum(x * math.log(x) for x in p if x > 0)


def _best(p: list[float], kept: set[int]) -> set[int]:
    return kept | {_ranked(p)[0]}


def _typical(p: list[float], mass: float) -> set[int]:
    h = _entropy(p)
    order = sorted(_ranked(p), key=lambda i: round(abs(-math.log(p[i]) - h), 9))
    return _until(p, order, mass)


def _sigma(z: list[float], n: float) -> set[int]:
    mean = math.fsum(z) / len(z)
    sd = math.sqrt(math.fsum((x - mean) ** 2 for x in z) / len(z))
    return {i for i, x in enumerate(z) if x >= max(z) - n * sd - 1e-9}


def _top_h(p: list[float], share: float) -> set[int]:
    kept: list[int] = []
    for token in _ranked(p):
        mass = math.fsum(p[i] for i in [*kept, token])
        if _entropy([p[i] / mass for i in [*kept, token]]) > share * _entropy(p) + 1e-12:
            break
        kept.append(token)
    return set(kept or _ranked(p)[:1])


PLAIN: dict[str, Callable[[list[float], list[float], float], set[int]]] = {
    "top_k": lambda _, p, k: set(_ranked(p)[: int(k)]),
    "top_p": lambda _, p, mass: _until(p, _ranked(p), mass),
    "min_p": lambda _, p, a: {i for i, x in enumerate(p) if x >= a * max(p) * (1 - 1e-11)},
    "typical_p": lambda _, p, mass: _typical(p, mass),
    "top_n_sigma": lambda z, _, n: _sigma(z, n),
    "epsilon": lambda _, p, e: _best(p, {i for i, x in enumerate(p) if x >= e * (1 - 1e-11)}),
    "eta": lambda _, p, e: _best(
        p, {i for i, x in enumerate(p) if x >= min(e, math.sqrt(e) * math.exp(-_entropy(p))) * (1 - 1e-11)}
    ),
    "top_h": lambda _, p, share: _top_h(p, share),
    "p_less": lambda _, p, __: _best(p, {i for i, x in enumerate(p) if x >= math.fsum(y * y for y in p) * (1 - 1e-11)}),
}


@pytest.mark.parametrize("rule", sorted(RULES))
@given(z=ROWS, value=st.floats(0.01, 0.99))
def test_rules_are_their_definitions(rule: str, z: np.ndarray, value: float) -> None:
    if rule in {"top_k", "top_n_sigma"}:
        value = math.ceil(value * 6)
    step = Step(z[None], z[None], np.ones((1, len(z)), dtype=np.bool_))
    p = np.exp(step.logprobs[0]).tolist()
    assert set(np.flatnonzero(RULES[rule](step, value)[0])) == PLAIN[rule](z.tolist(), p, value)


@pytest.mark.parametrize("rule", sorted(RULES))
@given(z=ROWS, value=st.floats(0.001, 0.999), data=st.data())
def test_a_rule_keeps_a_nonempty_part_of_what_it_is_given(
    rule: str, z: np.ndarray, value: float, data: st.DataObject
) -> None:
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(z), max_size=len(z))))
    keep[data.draw(st.integers(0, len(z) - 1))] = True
    left = RULES[rule](Step(z[None], z[None], keep[None].copy()), 1 if rule == "top_k" else value)[0]
    assert left.any()
    assert (left <= keep).all()


@given(z=ROWS, low=st.floats(0.01, 0.99), high=st.floats(0.01, 0.99))
def test_a_larger_mass_keeps_more(z: np.ndarray, low: float, high: float) -> None:
    low, high = sorted((low, high))
    step = Step(z[None], z[None], np.ones((1, len(z)), dtype=np.bool_))
    for rule in ("top_p", "typical_p"):
        assert (RULES[rule](step, low) <= RULES[rule](step, high)).all()
    for rule in ("min_p", "epsilon", "eta"):
        assert (RULES[rule](step, low) >= RULES[rule](step, high)).all()


@given(z=ROWS, threshold=st.floats(0.01, 1))
def test_xtc_spares_the_least_likely_of_the_top_choices(z: np.ndarray, threshold: float) -> None:
    step = Step(z[None], z[None], np.ones((1, len(z)), dtype=np.bool_))
    p = np.exp(step.logprobs[0]).tolist()
    top = [i for i in _ranked(p) if p[i] >= threshold * (1 - 1e-11)]
    assert set(np.flatnonzero(xtc(step, threshold)[0])) == set(range(len(z))) - set(top[:-1])


def test_top_k_keeps_all_ties_if_asked() -> None:
    z, keep = np.array([[1.0, 2.0, 1.0, 1.0, 0.0]]), np.array([[True, True, False, True, True]])
    assert RULES["top_k"](Step(z, z, keep, ties="all"), 2).tolist() == [[True, True, False, True, False]]
    assert RULES["top_k"](Step(z, z, keep), 2).tolist() == [[True, True, False, False, False]]
    assert RULES["top_k"](Step(z, z, keep, ties="all"), 9).tolist() == keep.tolist()


@pytest.mark.parametrize(
    ("edge", "p", "kept"),
    [("reach", 0.7, 2), ("exceed", 0.7, 2), ("drop", 0.7, 1), ("reach", 0.5, 1), ("exceed", 0.5, 2), ("drop", 0.5, 1)],
)
def test_the_edge_of_top_p(edge: Edge, p: float, kept: int) -> None:
    z = np.log([[0.5, 0.3, 0.2]])
    assert RULES["top_p"](Step(z, z, z < 0, edge), p).sum() == kept


def test_log_softmax_renormalises_over_what_is_kept() -> None:
    logprobs = log_softmax(np.log([[0.5, 0.3, 0.2]]), np.array([[True, False, True]]))
    assert np.allclose(np.exp(logprobs), [[5 / 7, 0, 2 / 7]])
