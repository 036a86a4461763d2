"""What a grader is, and answers in the form in which they are compared. Knows no kind of grader."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from tempering.errors import GraderError

Score = Callable[[str, tuple[str, ...]], float]


@dataclass(frozen=True)
class Grader:
    """How right an answer is; call it with a text and the expected answers.

    Attributes:
        kind: one of ``OPTIONS``.
        score: from text and expected answers to a number in [0, 1].
        answer: what a text answers, for votes; None where it gives no answer.
        needs_expected: whether it is undefined without expected answers.
    """

    kind: str
    score: Score
    answer: Callable[[str], str | None]
    needs_expected: bool = True

    def __call__(self, text: str, expected: tuple[str, ...] = ()) -> float:
        """Return the score.

        Raises:
            GraderError: the grader failed, or gave no number in [0, 1]; the message says why.
        """
        try:
            value = float(self.score(text, expected))
        except GraderError:
            raise
        except Exception as problem:  # a user's function may raise anything
            said = " ".join(f"{type(problem).__name__}: {problem}".split())[:300]
            raise GraderError(f"the grader ({self.kind}) failed on an answer: {said}") from problem
        if not 0 <= value <= 1:
            raise GraderError(f"the grader ({self.kind}) must give a number in [0, 1], gave {value}")
        return value


def normalised(text: str) -> str:
    """Return an answer without case, spaces at its ends or doubled, quotes around it and a final full stop.

    Example:
        >>> normalised(' "Paris."\\n')
        'paris'
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip("\"'\u201c\u201d\u2018\u2019").rstrip(".").strip()


def answered(text: str) -> str | None:
    """Return what a text answers as a whole; None where nothing is left of it."""
    return normalised(text) or None


def matches(answer: str | None, expected: tuple[str, ...]) -> float:
    """Return 1 if an answer is one of the expected ones, both normalised; 0 if not, or without an answer."""
    return float(answer is not None and any(answer == normalised(wanted) for wanted in expected))
