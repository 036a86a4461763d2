"""Answers that are a letter: the one that a text settles on."""

from __future__ import annotations

import re

from tempering.errors import ParameterError
from tempering.measures.graders.base import Grader


def choice(letters: str = "ABCDEFGHIJ") -> Grader:
    """Return the grader of multiple choice: the answer is the letter that a text settles on.

    Raises:
        ParameterError: ``letters`` are not different letters.
    """
    if not letters.isalpha() or len(set(letters.upper())) < len(letters):
        raise ParameterError(f"grader 'choice': letters must be different letters, got {letters!r}", field="grader")
    one = f"[{letters.upper()}{letters.lower()}]"
    # A lone letter in prose is no answer ("A good question"), so each form needs something that sets the letter apart.
    forms = [
        re.compile(rf"(?i:answer|resposta|choice|option|alternativa)(?:\s*(?i:is|é|:|=|\*)+)+\s*[(\[*]*({one})\b(?!')"),
        re.compile(rf"^\s*[(\[*]*({one})[)\].:,*]*\s*(?:$|\n)"),
        re.compile(rf"^\s*[(\[*]*({one})[)\].:*]"),
        re.compile(rf"[(\[]({one})[)\]]"),
    ]

    def answer(text: str) -> str | None:
        for form in forms:
            if found := form.findall(text):
                return str(found[-1]).upper()
        return None

    def score(text: str, expected: tuple[str, ...]) -> float:
        found = answer(text)
        return float(found is not None and any(wanted.strip().strip("().").upper() == found for wanted in expected))

    return Grader("choice", score, answer)
