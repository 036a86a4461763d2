"""Prompts: a text or a conversation with its id and expected answers, files of them, and the built-in ones."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tempering.errors import PlanError
from tempering.models.base import Message, PromptText, conversation, shown_prompt
from tempering.study.files import read_text, read_yaml

STORY_OPENINGS: tuple[tuple[str, str], ...] = (
    ("girl", "Once upon a time, there was a little girl who"),
    ("forest", "Deep in the forest there lived an old"),
    ("robot", "Tom found a small robot in the garden. The robot"),
    ("dragon", "The dragon was afraid of the dark. Every night"),
    ("island", "One morning, two friends sailed to an island and"),
    ("letter", "A letter came to the house, and nobody knew who had sent it."),
    ("king", "The king had everything he wanted, but he was"),
    ("star", "A star fell from the sky and landed in"),
)
"""Prompt ids and texts: eight story openings that the embedded model has something to say to."""


class Prompt(BaseModel):
    """A prompt, the id that its noise is keyed by, and the answers that count as right, if it is a question.

    Attributes:
        id: what the noise is keyed by; it does not depend on the expected answers.
        text: a text to continue; or else
        messages: a conversation to answer.
        expected: answers that count as right, for the grader of the plan; none where nothing is to be graded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200)
    text: str = ""
    messages: tuple[Message, ...] = ()
    expected: tuple[str, ...] = ()

    @field_validator("expected", mode="before")
    @classmethod
    def _read_expected(cls, value: object) -> object:
        return expected_of(value)

    @model_validator(mode="after")
    def _one_of_both(self) -> Prompt:
        if bool(self.text) == bool(self.messages):
            raise ValueError(f"prompt {self.id!r} needs a text or messages, not both")
        return self

    @property
    def content(self) -> PromptText:
        """The text, or the messages."""
        return self.text or self.messages

    @classmethod
    def of(cls, content: PromptText) -> Prompt:
        """Return a prompt whose id is a hash of its content, so that the id does not depend on its place in a file.

        Example:
            >>> Prompt.of("Once upon a time").id
            'e286222c'
        """
        name = hashlib.sha256(shown_prompt(content).encode()).hexdigest()[:8]
        return cls(id=name, text=content) if isinstance(content, str) else cls(id=name, messages=content)

    def as_chat(self, system: str = "") -> Prompt:
        """Return the prompt with its text as the user's message, after the system's if there is one."""
        if self.messages:
            return self
        return Prompt(id=self.id, messages=conversation(self.text, system), expected=self.expected)


def expected_of(value: object) -> object:
    """Return expected answers as a tuple of texts; a lone text or number is one answer.

    Example:
        >>> expected_of(42), expected_of(["a", "b"])
        (('42',), ('a', 'b'))
    """
    items = value if isinstance(value, list | tuple) else () if value is None else (value,)
    return tuple(str(item) if isinstance(item, int | float) and not isinstance(item, bool) else item for item in items)


def read_prompts(path: Path) -> list[Prompt]:
    """Read prompts: JSON Lines, CSV, a JSON or YAML list, or a text a line.

    JSON Lines and lists hold texts or objects with ``text`` or ``messages``, and ``id`` and ``expected`` (an answer or
    a list of them) if wanted. CSV has a column ``text``, and columns ``id`` and ``expected`` (answers divided by ``|``)
    if wanted.

    Raises:
        PlanError: the file is missing, holds no prompt, or has a line that is not a prompt; the line is named.
    """
    prompts = []
    lines: list[tuple[int, Any]]
    if path.suffix in {".json", ".yaml", ".yml"}:
        items = read_yaml(path)
        lines = list(enumerate(items if isinstance(items, list) else [items], 1))
    elif path.suffix == ".csv":
        lines = list(enumerate(_rows(path, read_text(path)), 1))
    else:
        lines = [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    for number, line in lines:
        try:
            record = json.loads(line) if path.suffix == ".jsonl" else line
            prompts.append(_prompt(record))
        except (ValueError, KeyError, TypeError):
            raise PlanError(
                f"{path}, prompt {number}: expected a text, or an object with 'text' or 'messages', 'id' and 'expected'"
            ) from None
    if not prompts:
        raise PlanError(f"{path} holds no prompt")
    return prompts


def _prompt(record: object) -> Prompt:
    if isinstance(record, str):
        return Prompt.of(record)
    if not isinstance(record, dict):
        raise TypeError
    messages = tuple(Message(**message) for message in record.get("messages", ()))
    content = messages or record["text"]
    prompt = Prompt.of(content)
    name = str(record["id"]) if record.get("id") is not None else prompt.id
    return Prompt(id=name, text=prompt.text, messages=prompt.messages, expected=record.get("expected", ()))


def _rows(path: Path, text: str) -> list[dict[str, Any]]:
    table = csv.DictReader(io.StringIO(text))
    if "text" not in (table.fieldnames or ()):
        raise PlanError(f"{path} needs a first line with the columns text, and id and expected if wanted")
    rows = []
    for row in table:
        answers = [part.strip() for part in (row.get("expected") or "").split("|") if part.strip()]
        rows.append({"text": row["text"], "id": row.get("id") or None, "expected": answers})
    return rows
