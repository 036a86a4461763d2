"""What the parity tests share: rows made to disagree, settings, and which differences are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempering import SamplingParams, distribution

RELATIVE = 1e-5
"""Engines that count in float32 are held to this, relative to each probability."""


@dataclass(frozen=True)
class Case:
    """A row of float32 logits and the settings to draw from it with."""

    logits: np.ndarray
    settings: dict[str, Any]


def rows(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield rows without end: random, tied, masked, one token left, float16, of every size."""
    while True:
        size = int(rng.choice([1, 2, 3, 7, 40, 300, 2000], p=[0.05, 0.1, 0.15, 0.3, 0.2, 0.15, 0.05]))
        row = rng.normal(size=size) * rng.choice([0.5, 2.0, 6.0])
        kind = rng.choice(["plain", "tied", "masked", "single", "half", "shifted", "equal"])
        if kind == "tied":
            row = np.round(row)
        elif kind == "masked":
            row[rng.random(size) < 0.5] = -np.inf
            row[rng.integers(size)] = 1.0
        elif kind == "single":
            row[:] = -np.inf
            row[rng.integers(size)] = rng.normal()
        elif kind == "half":
            row = row.astype(np.float16)
        elif kind == "shifted":
            row = row + rng.choice([-300.0, 40.0, 1000.0])
        elif kind == "equal":
            row = np.zeros(size)
        yield row.astype(np.float32)


def cases(count: int, choices: dict[str, list[float]], always: dict[str, Any], seed: int) -> Iterator[Case]:
    """Yield rows with settings: each rule is on in a third of the cases."""
    rng = np.random.default_rng(seed)
    for _, row in zip(range(count), rows(rng), strict=False):
        on = [name for name in choices if name == "temperature" or rng.random() < 1 / 3]
        yield Case(row, {name: rng.choice(choices[name]).item() for name in on} | always)


Engine = Callable[[Case], np.ndarray]


def verdict(case: Case, engine: Engine) -> str:
    """Return how an engine's probabilities compare to ours: ``same``, a known difference, or ``different``.

    ``shift``: the kept set is the same, but z / T in float32 has lost the digits that a large |z| / T takes; those of
    (z - max) / T are not lost.
    ``edge``: a token lies within float32 rounding of the edge of a rule: moving a rule's number by a little, one way or
    the other, moves our kept set to theirs. ``tie``: the row has equal logits, and with those told apart both agree.
    """
    if (found := _untied(case, engine(case))) != "different":
        return found
    finite = case.logits[np.isfinite(case.logits)]
    if len(np.unique(finite)) < len(finite) or "typical_p" in case.settings:
        places = np.random.default_rng(0).permutation(len(case.logits)).astype(np.float32)
        for step in (0.013, 0.013 * max(1.0, case.settings.get("temperature", 1.0))):
            told = Case(case.logits - case.logits.max() + places * np.float32(step), case.settings)
            if _untied(told, engine(told)) != "different":
                return "tie"
    return "different"


def _untied(case: Case, theirs: np.ndarray) -> str:
    ours = distribution(case.logits, SamplingParams(**case.settings))
    if agree(ours, theirs):
        return "same"
    largest = float(np.abs(case.logits[np.isfinite(case.logits)]).max())
    shift = 3e-7 * largest * max(1.0, 1 / case.settings.get("temperature", 1.0))
    if agree(ours, theirs, shift):
        return "shift"
    for size in (3e-6, 3e-5, shift):
        for name in nudged(case.settings, 1):
            for factor in (1 - size, 1 + size):
                moved = {name: nudged(case.settings, factor)[name]}
                if agree(distribution(case.logits, SamplingParams(**case.settings | moved)), theirs, shift):
                    return "edge"
    return "different"


def nudged(settings: dict[str, Any], factor: float) -> dict[str, Any]:
    """Return the rules' numbers moved a little, inside their ranges."""
    rules = ("top_p", "min_p", "typical_p", "top_n_sigma", "epsilon", "eta")
    limit = {"top_n_sigma": math.inf}
    return {name: min(settings[name] * factor, limit.get(name, 1.0)) for name in rules if name in settings}


def agree(ours: np.ndarray, theirs: np.ndarray, relative: float = RELATIVE) -> bool:
    """Return whether both keep the same tokens with the same probabilities.

    A probability that float32 cannot hold is 0 there.
    """
    small = ours < 1e-37
    if ((ours > 0) != (theirs > 0))[~small].any():
        return False
    return bool(np.allclose(theirs, np.where(small, 0, ours), rtol=max(RELATIVE, relative), atol=1e-6 * 1e-6))
