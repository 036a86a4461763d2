"""What each engine does with the same settings, as a written specification. Knows names; knows nothing of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

STEPS = (
    "penalties",
    "dry",
    "smoothing",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "top_n_sigma",
    "epsilon",
    "eta",
    "top_h",
    "p_less",
    "xtc",
    "mirostat",
)
"""The steps that an order consists of, by the names that an explicit order uses."""

Edge = Literal["reach", "exceed", "drop"]


@dataclass(frozen=True)
class Order:
    """One engine's way from logits to a distribution.

    What is executed: ``steps``, ``joint`` and ``top_p_edge``. What is said only: the rest. There our rule stands in
    every order, because it is the engine's own wherever the engine gives an answer at all.

    Attributes:
        steps: first to last; a rule that the engine lacks stands where it disturbs the engine's own steps least.
        joint: rules that all look at the probabilities before the first of them; the others renormalise one after
            the other (sequential).
        top_p_edge: ``reach``: the smallest prefix with mass >= p. ``exceed``: one token more where the mass equals p.
            ``drop``: the token that crosses is dropped too, unless it is the first.
        top_k_ties: what the engine keeps of tokens tied at the edge of top-k: ``all``, or exactly k (``id``, ``any``).
            Ours is ``id``, or ``all`` by ``SamplingParams.ties``.
        least: how many tokens are kept at least.
        defaults: what the engine truncates with if nothing is said.
        zero: what it does with T = 0.
        tiny: with a tiny T.
        infinite: with T = inf.
        version: what this was read in, or run against.
    """

    steps: tuple[str, ...]
    top_k_ties: Literal["id", "all", "any"]
    zero: str
    tiny: str
    infinite: str
    version: str
    joint: frozenset[str] = frozenset()
    top_p_edge: Edge = "reach"
    least: int = 1
    defaults: Mapping[str, float] = field(default_factory=dict)


_BEFORE = ("penalties", "dry")
_REST = ("typical_p", "epsilon", "eta")
_LATE = ("xtc", "mirostat")

ENGINES: Mapping[str, Order] = {
    "transformers": Order(
        steps=(
            *(*_BEFORE, "smoothing", "temperature"),
            *("top_n_sigma", "top_h", "top_k", "top_p", "min_p", *_REST, "p_less", *_LATE),
        ),
        top_k_ties="all",
        defaults={"top_k": 50},
        zero="refused",
        tiny="NaN from 1e-40 down",
        infinite="uniform; NaN beside -inf",
        version="5.24.0, run",
    ),
    "llama.cpp": Order(
        steps=(
            *(*_BEFORE, "top_n_sigma", "top_k", "typical_p", "top_p", "min_p", "xtc"),
            *("p_less", "top_h", "epsilon", "eta", "smoothing", "temperature", "mirostat"),
        ),
        top_k_ties="id",
        defaults={"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
        zero="greedy, also below 0",
        tiny="NaN: the last token",
        infinite="uniform; the last token beside -inf",
        version="llama-cpp-python 0.3.36, run",
    ),
    "vllm": Order(
        steps=(
            *(*_BEFORE, "smoothing", "temperature"),
            *("top_n_sigma", "min_p", "top_k", "top_p", *_REST, "top_h", "p_less", *_LATE),
        ),
        top_k_ties="all",
        zero="greedy",
        tiny="raised to 0.01",
        infinite="refused, as is T > 2",
        version="01fa3fe, read",
    ),
    "sglang": Order(
        steps=(
            *(*_BEFORE, "smoothing", "temperature"),
            *("top_n_sigma", "top_k", "top_p", "min_p", *_REST, "top_h", "p_less", *_LATE),
        ),
        joint=frozenset({"top_k", "top_p"}),
        top_p_edge="exceed",
        top_k_ties="any",
        zero="greedy",
        tiny="greedy below 1e-6",
        infinite="refused",
        version="584f55d, torch path, read",
    ),
    "mlx-lm": Order(
        steps=(
            *(*_BEFORE, "top_n_sigma", "top_p", "min_p", "xtc", "top_k", *_REST),
            *("top_h", "p_less", "smoothing", "temperature", "mirostat"),
        ),
        top_k_ties="any",
        least=0,
        zero="greedy",
        tiny="not guarded",
        infinite="passes",
        version="d78bf58, read",
    ),
    "exllamav3": Order(
        steps=(
            *(*_BEFORE, "smoothing", "temperature"),
            *("top_n_sigma", "min_p", "top_k", "top_p", *_REST, "top_h", "p_less", *_LATE),
        ),
        top_p_edge="drop",
        top_k_ties="any",
        zero="greedy",
        tiny="not guarded",
        infinite="passes",
        version="08dde73, eager path, read",
    ),
}
"""The orders by engine."""
