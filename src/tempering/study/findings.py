"""What was found out about a model, and how groups of texts are compared. Knows nothing of how texts are asked for.

Tests of "is there a difference" are permutation tests at the level ``LEVEL``; "none seen" is not "none", and the number
of texts stands beside every answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tempering.models.base import PromptText
from tempering.statistics import wilson

Verdict = Literal["yes", "no", "unknown"]

PROMPT = "Once upon a time there was"
GREEDY = "Is T = 0 greedy and repeatable?"
LEVEL = 0.01
SHUFFLES = 2000


@dataclass(frozen=True)
class Finding:
    """One answer about a model.

    Attributes:
        key: a name for programs.
        question: what was asked.
        verdict: yes, no, or unknown.
        answer: in words.
        evidence: the numbers behind it, JSON-ready.
    """

    key: str
    question: str
    verdict: Verdict
    answer: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Probe:
    """What was found out about a model.

    Attributes:
        model: its identity.
        engine: what runs it.
        prompt: what it was asked.
        findings: the answers.
        requests: how many texts were asked for.
    """

    model: str
    engine: str
    prompt: PromptText
    findings: tuple[Finding, ...]
    requests: int

    def finding(self, key: str) -> Finding:
        """Return the answer of a key.

        Raises:
            KeyError: it was not asked.
        """
        return {finding.key: finding for finding in self.findings}[key]

    def as_dict(self) -> dict[str, Any]:
        """Return the probe as JSON-ready values."""
        return asdict(self)


def greedy(cold: list[str]) -> Finding:
    """Return whether texts at T = 0 are all the same, and where they part if not."""
    common = max(Counter(cold).values())
    share = wilson([place < common for place in range(len(cold))], range(len(cold)))
    evidence = group_of(cold) | {"agree": common, "low": share.low, "high": share.high}
    rate = f"{common} of {len(cold)} texts agree (share [{share.low:.2f}, {share.high:.2f}])"
    if len(set(cold)) == 1:
        return Finding("greedy_repeatable", GREEDY, "yes", f"yes, as far as seen: {rate}, with other seeds", evidence)
    fork = evidence["first_fork"]
    answer = f"no: {rate}; the first two to part do so after {fork} characters. Differences below that mean nothing"
    return Finding("greedy_repeatable", GREEDY, "no", answer, evidence)


def group_of(texts: list[str]) -> dict[str, Any]:
    """Return how far texts agree: their number, how many differ, and where the first two part."""
    pairs = [_common(*pair) for pair in combinations(sorted(set(texts)), 2)]
    return {"n": len(texts), "different": len(set(texts)), "first_fork": min(pairs, default=None)}


def fewer_kinds(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the p-value of a difference in the number of different texts between two groups, two-sided.

    Example:
        >>> fewer_kinds(["a"] * 12, [str(i) for i in range(12)]) < 0.01
        True
    """
    _, codes = np.unique([*first, *second], return_inverse=True)
    return _shuffled(codes, len(first), lambda part: float(len(np.unique(part))))


def part_sooner(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the p-value that the second group's texts part from one another sooner than the first's, one-sided.

    The statistic is the mean number of characters that two texts of a group share at the beginning.

    Example:
        >>> part_sooner(["the same"] * 8, [f"{i} other" for i in range(8)]) < 0.01
        True
    """
    kinds, codes = np.unique([*first, *second], return_inverse=True)
    shared = np.array([[_common(one, other) for other in kinds] for one in kinds], dtype=np.float64)

    def agreement(part: NDArray[np.int64]) -> float:
        among = shared[np.ix_(part, part)]
        return float((among.sum() - np.trace(among)) / (len(part) * (len(part) - 1)))

    sooner = agreement(codes[: len(first)]) > agreement(codes[len(first) :])
    return _shuffled(codes, len(first), agreement) if sooner else 1.0


def _shuffled(codes: NDArray[np.int64], size: int, statistic: Callable[[NDArray[np.int64]], float]) -> float:
    """Return how often a random split of texts differs in a statistic by as much as the real one."""

    def apart(order: NDArray[np.int64]) -> float:
        return abs(statistic(order[:size]) - statistic(order[size:]))

    seen, random = apart(codes), np.random.default_rng(0)
    reached = sum(apart(random.permutation(codes)) >= seen - 1e-12 for _ in range(SHUFFLES))
    return (reached + 1) / (SHUFFLES + 1)


def _common(first: str, second: str) -> int:
    """Return how many characters two texts share at the beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
