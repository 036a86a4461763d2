"""Graders: what counts as right, and every way in which a grader can be wrong."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempering.errors import GraderError, ParameterError
from tempering.measures.graders import OPTIONS, grader_options, make_grader
from tempering.measures.graders.number import numbers

RIGHT: list[tuple[Any, str, tuple[str, ...], bool]] = [
    ("exact", "  PARIS.\n", ("Paris",), True),
    ("exact", "It is Paris", ("Paris",), False),
    ("exact", "“São  Paulo”", ("Rio", "são paulo"), True),
    ("contains", "I think it is Paris, France.", ("paris",), True),
    ("contains", "comparison", ("paris",), False),
    ("contains", "a 3-4 win", ("3-4",), True),
    ("regex", "It was 1066.", (r"\b10\d\d\b",), True),
    ("regex:answer: (\\w+)", "answer: Yes", ("yes",), True),
    ("regex:answer: (\\w+)", "answer: No", ("yes",), False),
    ("regex:^\\d+$", "123", (), True),
    ("regex:^\\d+$", "12a", (), False),
    ("number", "0.1 + 0.2 = 0.30000000000000004", ("0.3",), True),
    ("number", "First 7, then 8", ("7",), False),
    ("number:0.5", "about 7.4", ("7",), True),
    ("number:0.5", "about 7.6", ("7",), False),
    ({"kind": "number", "relative": 0.01}, "It is 1,009", ("1000",), True),
    ({"kind": "number", "decimal": ","}, "R$ 1.234,5", ("1234,5",), True),
    ("number", "\u22125 degrees", ("-5",), True),
    ("number", "no idea", ("0",), False),
    ("choice", "The answer is (b).", ("B",), True),
    ("choice", "B. Paris", ("B",), True),
    ("choice", "B", ("b",), True),
    ("choice", "A cat sat there, and I chose (C)", ("C",), True),
    ("choice", "A cat sat there.", ("A",), False),
    ("choice", "I think so", ("I",), False),
    ("choice", "Answer: A, no wait, the answer is D", ("D",), True),
    ("choice", "A resposta é: C", ("(C)",), True),
    ("choice:AB", "C.", ("C",), False),
    ({"kind": "json_schema", "schema": {"type": "object", "required": ["age"]}}, 'Here: {"age": 3}', (), True),
    ({"kind": "json_schema", "schema": {"type": "object", "required": ["age"]}}, '{"name": 3}', (), False),
    ({"kind": "json_schema", "schema": {"type": "object"}}, "no json", (), False),
    ({"kind": "json_schema", "schema": {}}, "[" * 100_000, (), False),
]


@pytest.mark.parametrize(("spec", "text", "expected", "right"), RIGHT)
def test_what_counts_as_right(spec: Any, text: str, expected: tuple[str, ...], right: bool) -> None:
    assert make_grader(spec)(text, expected) == float(right)


WRONG: list[tuple[Any, str]] = [
    ("none", "grader must be one of exact, contains"),
    ("", "grader must be one of"),
    ({"kind": ["exact"]}, "grader must be one of"),
    ({}, "grader must be one of"),
    ("exact:x", "takes no detail"),
    ("number:abc", "tolerance must be a number"),
    ("number:-1", r"must be in \[0, inf\)"),
    ("number:nan", r"must be in \[0, inf\)"),
    ({"kind": "number", "decimal": ";"}, "decimal"),
    ({"kind": "number", "tolerence": 1}, "no option 'tolerence'"),
    ("regex:(", "is no pattern"),
    ("choice:AA", "different letters"),
    ("json_schema", "needs a schema or a file"),
    ("grade.py:", "needs function"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_a_wrong_grader_is_one_line(spec: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        make_grader(spec)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200), st.lists(st.text(max_size=20), max_size=3))
def test_any_text_has_a_score_in_range(text: str, expected: list[str]) -> None:
    for kind in ("exact", "contains", "choice"):
        assert make_grader(kind)(text, tuple(expected)) in {0.0, 1.0}
    assert make_grader("number")(text, ("3",)) in {0.0, 1.0}


@given(st.integers(-(10**9), 10**9), st.integers(0, 99))
def test_a_number_is_read_however_it_is_written(whole: int, cents: int) -> None:
    for mark, group in ((".", ","), (",", ".")):
        text = f"{whole:,}.{cents:02d}".replace(",", "g").replace(".", mark).replace("g", group)
        assert numbers(f"so it is {text}!", mark) == [float(f"{whole}.{cents:02d}")]


def test_a_function_of_yours(tmp_path: Path) -> None:
    file = tmp_path / "grade.py"
    file.write_text(
        "def half(text, expected=()):\n    return 0.5\n"
        "def truth(text, expected):\n    return text in expected\n"
        "def bad(text, expected):\n    return 2\n"
        "def fails(text, expected):\n    raise KeyError('two\\nlines')\n"
        "def nothing(text, expected):\n    return None\n"
        "def narrow(text):\n    return 1\n"
    )
    assert make_grader(f"{file}:half")("a", ()) == 0.5
    assert make_grader(f"{file}:truth")("a", ("a",)) == 1
    for name, message in (
        ("bad", "gave 2"),
        ("fails", "KeyError"),
        ("nothing", "TypeError"),
    ):
        with pytest.raises(GraderError, match=message) as caught:
            make_grader(f"{file}:{name}")("a", ("a",))
        assert "\n" not in str(caught.value)
    with pytest.raises(GraderError, match="must be a function of"):
        make_grader(f"{file}:narrow")
    with pytest.raises(GraderError, match="no function 'missing'"):
        make_grader(f"{file}:missing")
    with pytest.raises(GraderError, match="cannot load the grader"):
        make_grader(f"{tmp_path / 'none.py'}:half")
    with pytest.raises(GraderError, match="cannot load the grader"):
        make_grader("no_such_module_at_all:half")


def test_nothing_runs_until_a_grader_is_made(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("raise RuntimeError('ran')")
    assert grader_options(f"{tmp_path / 'loud.py'}:f")["kind"] == "python"


def test_schemas(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "array", "items": {"type": "integer"}}))
    grader = make_grader(f"json_schema:{file}")
    assert [grader("[1, 2]"), grader('["a"]')] == [1, 0]
    assert grader.answer('[1,  2] and {"a": 1}') == grader.answer("[1,2]") == "[1, 2]"
    with pytest.raises(GraderError, match="is not valid"):
        make_grader({"kind": "json_schema", "schema": {"type": "nothing"}})
    with pytest.raises(GraderError, match="cannot read"):
        make_grader(f"json_schema:{tmp_path / 'none.json'}")


def test_a_schema_never_fetches_anything() -> None:
    grader = make_grader({"kind": "json_schema", "schema": {"$ref": "http://127.0.0.1:9/schema.json"}})
    with pytest.raises(GraderError, match="Unresolvable"):
        grader("{}")


def test_a_number_to_compare_with_must_be_one() -> None:
    with pytest.raises(GraderError, match="expected answers that are numbers"):
        make_grader("number")("4", ("four",))


def test_answers_for_votes() -> None:
    assert make_grader("number").answer("so 1,000.0") == make_grader("number").answer("1000") == "1000"
    assert make_grader("choice").answer("well...") is None
    assert make_grader("exact").answer(" ") is None
    assert make_grader("regex:= (\\d+)").answer("x = 4") == "4"


def test_every_kind_says_its_options() -> None:
    assert set(OPTIONS) == {"exact", "contains", "regex", "number", "choice", "json_schema", "python"}
    assert math.isclose(make_grader({"kind": "number", "tolerance": "0.1"})("1.05", ("1",)), 1)
