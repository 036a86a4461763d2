"""What is timed: rules with their settings, rows of two kinds, shapes. Knows nothing of peers or clocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempering.errors import UsageError
from tempering.params import SamplingParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RULES: Mapping[str, Mapping[str, Any]] = {
    "read": {},
    "plain-gumbel": {},
    "plain-inverse": {},
    "top-k": {"top_k": 40},
    "top-p": {"top_p": 0.9},
    "min-p": {"min_p": 0.05},
    "typical": {"typical_p": 0.9},
    "top-n-sigma": {"top_n_sigma": 1.0},
    "eta": {"eta": 0.001},
    "chain": {"top_k": 40, "top_p": 0.95, "min_p": 0.05, "order": "llama.cpp"},
    "32-temperatures": {},
    "32-log-z": {},
    "envelope": {},
}
"""What is timed, by name: the settings of a draw at T = 0.8, or an own kind of work."""

KINDS = ("normal", "realistic")
"""``normal``: normal logits, deviation 1. ``realistic``: 30 tokens lead, the others lie 15 to 25 nats below."""

TEMPERATURE = 0.8
GRID = [1 / (0.5 + 1.5 * k / 31) for k in range(32)]
"""Temperatures of the work on many: evenly spaced in 1 / T."""


PEER_ROWS = 8
"""Rows that peers are timed on: they take so long that a row costs the same alone or among many, and less in cache."""


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        rule: a key of ``RULES``.
        kind: of rows.
        rows: how many.
        vocabulary: tokens a row.
        limit: how many of the rows a peer may leave it at.
    """

    rule: str
    kind: str
    rows: int
    vocabulary: int
    limit: int = PEER_ROWS

    @property
    def params(self) -> SamplingParams:
        """The settings of the draw."""
        return SamplingParams(temperature=TEMPERATURE, **RULES[self.rule])

    def logits(self) -> NDArray[np.float32]:
        """Return the rows, float32, the same for every peer."""
        import numpy as np  # noqa: PLC0415 - the command line reads the names above without it

        rng = np.random.default_rng(self.rows * 1_000_003 + self.vocabulary)
        shape = self.rows, self.vocabulary
        if self.kind == "normal":
            return rng.normal(size=shape).astype(np.float32)
        rows = rng.normal(-20.0, 2.0, size=shape).astype(np.float32)
        for row in rows:
            row[rng.integers(0, self.vocabulary, 30)] = rng.normal(size=30) * 2
        return rows


def shape_of(text: str) -> tuple[int, int]:
    """Return rows and vocabulary from a text such as ``64x128256``.

    Raises:
        UsageError: it is not of that form, or a number is 0.

    Example:
        >>> shape_of("64x128256")
        (64, 128256)
    """
    if not (found := re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,6})", text)):
        raise UsageError(f"a shape is written like 64x128256 (rows x vocabulary), got {text!r}")
    return int(found[1]), int(found[2])
