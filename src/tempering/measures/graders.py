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

import inspect
import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any

from tempering.errors import GraderError, ParameterError

Score = Callable[[str, tuple[str, ...]], float]

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


def normalised(text: str) -> str:
    """Return an answer without case, spaces at its ends or doubled, quotes around it and a final full stop.

    Example:
        >>> normalised(' "Paris."\\n')
        'paris'
    """
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return plain.strip("\"'\u201c\u201d\u2018\u2019").rstrip(".").strip()


def _any_normalised(text: str) -> str | None:
    return normalised(text) or None


def _matches(answer: str | None, expected: tuple[str, ...]) -> float:
    return float(answer is not None and any(answer == normalised(wanted) for wanted in expected))


def _exact() -> Grader:
    return Grader("exact", lambda text, expected: _matches(normalised(text), expected), _any_normalised)


def _contains() -> Grader:
    def score(text: str, expected: tuple[str, ...]) -> float:
        plain = normalised(text)
        found = (re.search(rf"(?<!\w){re.escape(normalised(wanted))}(?!\w)", plain) for wanted in expected)
        return float(any(found))

    return Grader("contains", score, _any_normalised)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as problem:
        raise ParameterError(f"grader 'regex': {pattern!r} is no pattern: {problem}", field="grader") from None


def _regex(pattern: str | None = None) -> Grader:
    if pattern is None:
        return Grader(
            "regex",
            lambda text, expected: float(any(_compiled(wanted).search(text) for wanted in expected)),
            _any_normalised,
        )
    compiled = _compiled(pattern)

    def answer(text: str) -> str | None:
        found = compiled.search(text)
        return normalised(next((group for group in found.groups() if group), found.group())) if found else None

    def score(text: str, expected: tuple[str, ...]) -> float:
        found = answer(text)
        return _matches(found, expected) if expected else float(found is not None)

    return Grader("regex", score, answer, needs_expected=False)


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


def _number(tolerance: float | str = 0.0, relative: float | str = 0.0, decimal: str = ".") -> Grader:
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


def _choice(letters: str = "ABCDEFGHIJ") -> Grader:
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


def json_in(text: str) -> Any:
    """Return the JSON of a text: all of it, or the first object or list in it.

    Raises:
        ValueError: there is none.

    Example:
        >>> json_in('Here it is: {"age": 7}. Good?')
        {'age': 7}
    """
    try:
        return json.loads(text)
    except ValueError:
        pass
    decoder = json.JSONDecoder()
    for begin in re.finditer(r"[\[{]", text):
        try:
            return decoder.raw_decode(text, begin.start())[0]
        except ValueError:
            continue
    raise ValueError("no JSON in the text")


def _json_schema(schema: Any = None, file: str | None = None) -> Grader:
    from jsonschema import validators  # noqa: PLC0415 - loaded when used, for a light start
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    if file is not None:
        try:
            schema = json.loads(Path(file).read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise GraderError(f"cannot read the schema {file}: {problem}") from None
    kind = validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as problem:
        raise GraderError(f"the JSON schema is not valid: {problem.message}") from None
    validator = kind(schema, registry=Registry())  # an empty registry: a schema never makes us fetch anything

    def score(text: str, _expected: tuple[str, ...]) -> float:
        try:
            value = json_in(text)
        except (ValueError, RecursionError):
            return 0.0
        return float(validator.is_valid(value))

    def answer(text: str) -> str | None:
        try:
            return json.dumps(json_in(text), sort_keys=True)
        except (ValueError, RecursionError):
            return None

    return Grader("json_schema", score, answer, needs_expected=False)


def _python(function: str) -> Grader:
    place, _, name = function.rpartition(":")
    try:
        found = getattr(_module(place), name)
    except GraderError:
        raise
    except AttributeError:
        raise GraderError(f"{place} has no function {name!r}") from None
    except Exception as problem:  # loading runs the user's code, which may raise anything
        raise GraderError(f"cannot load the grader {function}: {' '.join(str(problem).split())}") from problem
    try:
        inspect.signature(found).bind("", ())
    except (TypeError, ValueError):
        raise GraderError(f"{function} must be a function of (text, expected)") from None
    return Grader("python", found, _any_normalised, needs_expected=False)


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        return import_module(place)
    spec = util.spec_from_file_location("tempering_user_grader", Path(place))
    if spec is None or spec.loader is None:
        raise GraderError(f"cannot load the grader {place}")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_MAKERS: Mapping[str, Callable[..., Grader]] = {
    "exact": _exact,
    "contains": _contains,
    "regex": _regex,
    "number": _number,
    "choice": _choice,
    "json_schema": _json_schema,
    "python": _python,
}
