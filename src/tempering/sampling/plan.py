"""Which part of some settings the compiled loops can do, and what is left for the plain definitions."""

from __future__ import annotations

import importlib.util
import math
import os
from dataclasses import dataclass
from functools import cache, lru_cache

from tempering.params import SamplingParams

SMALLEST = 16_384
"""The smallest vocabulary that is worth a kernel: below it NumPy is done before a kernel has been loaded."""

CUTS = frozenset({"top_k", "top_p", "min_p", "top_n_sigma", "epsilon", "eta", "p_less", "mirostat", "typical_p"})
"""Rules whose kept set a kernel finds."""

OF_RANK = frozenset({"top_k", "top_n_sigma"})
"""Those that look at logits before T only."""


@cache
def available() -> bool:
    """Return whether Numba is installed, and not switched off by ``TEMPERING_KERNELS=off``."""
    return os.environ.get("TEMPERING_KERNELS") != "off" and importlib.util.find_spec("numba") is not None


def pays(vocabulary: int) -> bool:
    """Return whether rows of this width go through the kernels where the settings allow it."""
    return vocabulary >= SMALLEST and available()


@dataclass(frozen=True)
class Plan:
    """How a row is drawn from.

    Attributes:
        first: the rule that cuts the row; None if nothing is cut.
        temperature: that this rule sees.
        done: the steps that the kernels have done before the plain definitions go on.
        simple: whether nothing is left but temperature and the draw.
        bare: whether temperature and the draw are all there is, at a finite T.
    """

    first: str | None
    temperature: float
    done: frozenset[str]
    simple: bool
    bare: bool


@lru_cache(maxsize=256)
def plan(params: SamplingParams) -> Plan | None:
    """Return the plan of some settings, None if they must go the plain way.

    Example:
        >>> plan(SamplingParams(temperature=0.7, top_k=40, min_p=0.1)).first
        'top_k'
    """
    active = [step for step in params.steps if step in set(params.active_steps())]
    ahead = {"penalties", "dry"} & set(active)
    if set(active[: len(ahead)]) != ahead or "smoothing" in active:
        return None
    rules = [step for step in active[len(ahead) :] if step != "temperature"]
    first = rules[0] if rules else None
    before = first is None or active.index("temperature") < active.index(first)
    t = params.temperature if before else 1.0
    moving = params.temperature_moves and before
    joint = first in params.joint and len(params.joint & set(rules)) > 1
    limit = (t == 0 or math.isinf(t)) and first is not None and first not in OF_RANK
    if moving or joint or limit or (first is not None and first not in CUTS):
        return None
    simple = len(rules) <= 1 and not params.temperature_moves
    bare = simple and not ahead and not rules and math.isfinite(t)
    return Plan(first, t, frozenset(ahead | ({first} if first else set())), simple, bare)


def rate_of(temperature: float) -> float:
    """Return 1 / T, large but finite where T > 0 is too small for it."""
    return min(1 / temperature, 1e300)
