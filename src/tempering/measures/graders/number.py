"""Answers that are numbers: the last one of a text, within a tolerance."""

from __future__ import annotations

import math
import re

from tempering.errors import GraderError, ParameterError
from tempering.measures.graders.base import Grader


def numbers(text: str, decimal: str = ".") -> list[float]:
    """Return the numbers of a text in order; the other of ``.`` and ``,`` divides thousands.

    Example:
        >>> numbers("from -1,200.5 to 3e2, in 1990.")
        [-1200.5, 300.0, 1990.0]
        >>> numbers("R$ 1.200,50", decimal=",")
        [1200.5]
    """
    thousands = "," if decimal == "." else "."
    mark, group = re.escape(decimal), re.escape(thousands)
    pattern = rf"(?<![\w.,])[-+\u2212]?(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)?(?:{mark}\d+)?(?:(?<=\d)[eE][-+]?\d+)?"
    found = [match for match in re.findall(pattern, text) if any(character.isdigit() for character in match)]
    return [float(match.replace(thousands, "").replace(decimal, ".").replace("\u2212", "-")) for match in found]


def number(tolerance: float | str = 0.0, relative: float | str = 0.0, decimal: str = ".") -> Grader:
    """Return the grader of numbers: the last number of a text is within the tolerance of an expected one.

    Args:
        tolerance: the largest difference, >= 0.
        relative: the largest difference as a share of the larger number, >= 0.
        decimal: ``.`` or ``,``.

    Raises:
        ParameterError: an option is outside its range.
    """
    try:
        absolute, share = float(tolerance), float(relative)
    except (TypeError, ValueError):
        raise ParameterError(
            f"grader 'number': tolerance must be a number, got {tolerance!r}", field="grader"
        ) from None
    if not (0 <= absolute < math.inf and 0 <= share < math.inf):
        raise ParameterError("grader 'number': tolerance and relative must be in [0, inf)", field="grader")
    if decimal not in {".", ","}:
        raise ParameterError(f"grader 'number': decimal must be . or , got {decimal!r}", field="grader")

    def score(text: str, expected: tuple[str, ...]) -> float:
        found, wanted = numbers(text, decimal), [numbers(item, decimal)[-1:] for item in expected]
        if not all(wanted):
            raise GraderError("the grader (number) needs expected answers that are numbers")
        # A sum in binary misses 0.1 + 0.2 = 0.3 by the last bit, which no tolerance should have to say.
        near = (
            math.isclose(found[-1], goal, rel_tol=max(share, 1e-12), abs_tol=absolute) for [goal] in wanted if found
        )
        return float(any(near))

    def answer(text: str) -> str | None:
        found = numbers(text, decimal)
        return f"{found[-1]:.12g}" if found else None

    return Grader("number", score, answer)
