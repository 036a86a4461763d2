"""Answers compared as texts: exactly, as part of a text, by a pattern."""

from __future__ import annotations

import re

from tempering.errors import ParameterError
from tempering.measures.graders.base import Grader, answered, matches, normalised


def exact() -> Grader:
    """Return the grader of whole answers: a text is an expected answer, see ``normalised``."""
    return Grader("exact", lambda text, expected: matches(normalised(text), expected), answered)


def contains() -> Grader:
    """Return the grader of parts: an expected answer stands in a text as whole words."""

    def score(text: str, expected: tuple[str, ...]) -> float:
        plain = normalised(text)
        found = (re.search(rf"(?<!\w){re.escape(normalised(wanted))}(?!\w)", plain) for wanted in expected)
        return float(any(found))

    return Grader("contains", score, answered)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as problem:
        raise ParameterError(f"grader 'regex': {pattern!r} is no pattern: {problem}", field="grader") from None


def regex(pattern: str | None = None) -> Grader:
    """Return the grader of patterns: the expected ones, or one whose first group is the answer.

    Raises:
        ParameterError: the pattern is none.
    """
    if pattern is None:
        return Grader(
            "regex",
            lambda text, expected: float(any(_compiled(wanted).search(text) for wanted in expected)),
            answered,
        )
    compiled = _compiled(pattern)

    def answer(text: str) -> str | None:
        found = compiled.search(text)
        return normalised(next((group for group in found.groups() if group), found.group())) if found else None

    def score(text: str, expected: tuple[str, ...]) -> float:
        found = answer(text)
        return matches(found, expected) if expected else float(found is not None)

    return Grader("regex", score, answer, needs_expected=False)
