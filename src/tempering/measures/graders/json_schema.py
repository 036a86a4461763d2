"""Answers that hold JSON which fits a schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tempering.errors import GraderError
from tempering.measures.graders.base import Grader


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


def json_schema(schema: Any = None, file: str | None = None) -> Grader:
    """Return the grader of JSON: the first JSON of a text fits a schema, which is given or read from a file.

    Raises:
        GraderError: the file cannot be read, or holds no valid schema.
    """
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
