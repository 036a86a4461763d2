"""The specification of every order: complete, executed as said, and on the page as it is here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tempering import SamplingParams, distribution
from tempering.orders import ENGINES, STEPS


def kept(probabilities: list[float], **settings: Any) -> set[int]:
    return set(np.flatnonzero(distribution(np.log(probabilities), SamplingParams(**settings))).tolist())


@pytest.mark.parametrize("name", ENGINES)
def test_an_order_places_every_step_once(name: str) -> None:
    assert sorted(ENGINES[name].steps) == sorted(STEPS)
    assert set(ENGINES[name].joint) <= set(STEPS)


# Worked examples on which the engines named disagree, by the versions in the specification of each order.
WORKED: list[tuple[str, list[float], dict[str, Any], set[int]]] = [
    ("sglang", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.55}, {0, 1}),  # both look at the whole distribution
    ("vllm", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.55}, {0}),
    ("exllamav3", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.6}, {0}),
    ("sglang", [0.5, 0.25, 0.25], {"top_p": 0.5}, {0, 1}),  # one more where the mass equals p
    ("vllm", [0.5, 0.25, 0.25], {"top_p": 0.5}, {0}),
    ("exllamav3", [0.5, 0.3, 0.2], {"top_p": 0.7}, {0}),  # the token that crosses is dropped
    ("sglang", [0.5, 0.3, 0.2], {"top_p": 0.7}, {0, 1}),
    ("mlx-lm", [0.5, 0.3, 0.2], {"top_p": 0.7}, {0, 1}),
    ("mlx-lm", [0.4, 0.3, 0.2, 0.1], {"top_k": 2, "top_p": 0.55}, {0, 1}),  # top-k after top-p
    ("vllm", [0.4, 0.3, 0.1, 0.1, 0.1], {"min_p": 0.3, "top_p": 0.5}, {0}),
    ("exllamav3", [0.4, 0.3, 0.1, 0.1, 0.1], {"min_p": 0.3, "top_p": 0.6}, {0}),
    ("mlx-lm", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "top_p": 0.8}, {0, 1}),
    ("sglang", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "top_p": 0.8}, {0, 1, 2}),
    ("exllamav3", [0.644, 0.237, 0.087, 0.032], {"temperature": 2, "min_p": 0.3}, {0, 1, 2}),
    ("vllm", [0.3, 0.3, 0.3, 0.1], {"top_k": 2, "ties": "all"}, {0, 1, 2}),
    ("sglang", [0.3, 0.3, 0.3, 0.1], {"top_k": 2}, {0, 1}),
]


@pytest.mark.parametrize(("order", "probabilities", "settings", "expected"), WORKED)
def test_worked_examples_of_engines(
    order: str, probabilities: list[float], settings: dict[str, Any], expected: set[int]
) -> None:
    assert kept(probabilities, order=order, **settings) == expected


def table() -> list[str]:
    lines = ["| order | joint | top-p's edge | ties of top-k | T = 0 | tiny T | T = inf | defaults | version |"]
    lines.append("|" + "---|" * 9)
    for name, order in ENGINES.items():
        joint = " and ".join(s.replace("_", "-") for s in sorted(order.joint)) or "none"
        defaults = ", ".join(f"{key} {value:g}" for key, value in order.defaults.items()) or "off"
        cells = [f"`{name}`", joint, order.top_p_edge, order.top_k_ties, order.zero, order.tiny, order.infinite]
        lines.append("| " + " | ".join([*cells, defaults, order.version]) + " |")
    lines += ["", "| order | steps |", "|---|---|"]
    for name, order in ENGINES.items():
        lines.append(f"| `{name}` | " + ", ".join(f"{step}" for step in order.steps) + " |")
    return lines


def test_the_page_shows_the_specification(repository: Path) -> None:
    page = (repository / "docs/sampling.md").read_text(encoding="utf-8")
    missing = [line for line in table() if line not in page]
    assert not missing, "\n".join(table())
