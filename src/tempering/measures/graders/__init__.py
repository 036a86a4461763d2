"""Graders: how right an answer is, from 0 to 1. Knows texts and expected answers; knows nothing of models.

A grader is written as text, ``kind`` or ``kind:detail``, or as a mapping with ``kind`` and its options::

    exact                          the answer, case, spaces and final full stop aside
    contains                       an expected answer stands in the text as whole words
    regex, regex:PATTERN           expected answers are patterns; or a pattern whose first group is the answer
    number, number:TOLERANCE       the last number of the text, within the tolerance
    choice, choice:ABCDE           the letter that the text settles on
    json_schema:FILE               the JSON in the text fits a schema
    FILE.py:FUNCTION, MODULE:FUNCTION   your function of (text, expected); its code runs
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tempering.errors import ParameterError
from tempering.measures.graders.base import Grader
from tempering.measures.graders.choice import choice
from tempering.measures.graders.json_schema import json_schema
from tempering.measures.graders.number import number
from tempering.measures.graders.python import python
from tempering.measures.graders.text import contains, exact, regex

OPTIONS: Mapping[str, frozenset[str]] = {
    "exact": frozenset(),
    "contains": frozenset(),
    "regex": frozenset({"pattern"}),
    "number": frozenset({"tolerance", "relative", "decimal"}),
    "choice": frozenset({"letters"}),
    "json_schema": frozenset({"schema", "file"}),
    "python": frozenset({"function"}),
}
"""Kinds of grader and the options of each."""

_DETAIL = {"regex": "pattern", "number": "tolerance", "choice": "letters", "json_schema": "file", "python": "function"}


def grader_options(spec: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a grader's kind and options, checked in form; nothing is loaded or run.

    Raises:
        ParameterError: an unknown kind or option, or one that is missing.

    Example:
        >>> grader_options("number:0.01")
        {'kind': 'number', 'tolerance': '0.01'}
        >>> grader_options("grade.py:judge")
        {'kind': 'python', 'function': 'grade.py:judge'}
    """
    values = dict(spec) if isinstance(spec, Mapping) else _from_text(spec)
    kind = str(values.get("kind"))
    if kind not in OPTIONS:
        raise ParameterError(
            f"grader must be one of {', '.join(OPTIONS)} or FILE.py:FUNCTION, got {spec!r}", field="grader"
        )
    if unknown := values.keys() - OPTIONS[kind] - {"kind"}:
        raise ParameterError(f"grader {kind!r} has no option {min(unknown)!r}", field="grader")
    if kind == "json_schema" and ("schema" in values) == ("file" in values):
        raise ParameterError("grader 'json_schema' needs a schema or a file with one", field="grader")
    if kind == "python" and not re.fullmatch(r".+:[A-Za-z_]\w*", str(values.get("function", ""))):
        raise ParameterError(
            "grader 'python' needs function, as in FILE.py:FUNCTION or MODULE:FUNCTION", field="grader"
        )
    return values


def _from_text(spec: str) -> dict[str, Any]:
    kind, colon, detail = spec.partition(":")
    if kind in OPTIONS:
        if colon and kind not in _DETAIL:
            raise ParameterError(f"grader {kind!r} takes no detail, got {detail!r}", field="grader")
        return {"kind": kind} | ({_DETAIL[kind]: detail} if colon else {})
    return {"kind": "python", "function": spec} if colon else {"kind": kind}


def make_grader(spec: str | Mapping[str, Any]) -> Grader:
    """Return the grader that a text or a mapping describes; a ``python`` grader loads (and so runs) your code.

    Raises:
        ParameterError: an unknown kind, or an option outside its range.
        GraderError: a schema or function cannot be loaded.

    Example:
        >>> make_grader("exact")(" Paris. ", ("paris",))
        1.0
        >>> make_grader({"kind": "number", "tolerance": 0.1})("That makes 1,200.05", ("1200",))
        1.0
        >>> make_grader("choice:ABCD")("A good question. The answer is (C).", ("C",))
        1.0
    """
    values = grader_options(spec)
    kind = values.pop("kind")
    return _MAKERS[kind](**values)


_MAKERS: Mapping[str, Callable[..., Grader]] = {
    "exact": exact,
    "contains": contains,
    "regex": regex,
    "number": number,
    "choice": choice,
    "json_schema": json_schema,
    "python": python,
}
