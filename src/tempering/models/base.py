"""What a model offers to the rest of the library. Knows nothing of any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tempering.errors import PromptError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: who speaks: system, user or assistant.
        content: what is said.

    Raises:
        PromptError: the role is none of these, or the content is empty.
    """

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise PromptError(f"the role of a message must be one of {', '.join(get_args(Role))}, got {self.role!r}")
        if not self.content.strip():
            raise PromptError(f"the content of a message ({self.role}) is empty")


PromptText = str | tuple[Message, ...]
"""What is asked of a model: a text to continue, or a conversation to answer."""


def conversation(text: str, system: str = "") -> tuple[Message, ...]:
    """Return a text as the user's message, after the system's if there is one.

    Example:
        >>> len(conversation("Why is the sky blue?", "Be brief."))
        2
    """
    return (*((Message("system", system),) if system else ()), Message("user", text))


def shown_prompt(prompt: PromptText) -> str:
    """Return a prompt as a reader sees it: the text, or the turns of the conversation, one a line.

    Example:
        >>> shown_prompt((Message("system", "Be brief."), Message("user", "Why is the sky blue?")))
        'system: Be brief.\\nuser: Why is the sky blue?'
    """
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


@dataclass(frozen=True)
class ModelInfo:
    """What a model says of itself.

    Attributes:
        name: the name that it was loaded by.
        identity: name and a hash of the weights; what results and stores are keyed by.
        vocabulary: how many tokens there are.
        context: the most tokens that a text may have, prompt included.
        end_tokens: ids that end a text.
        details: further facts for the reader of a report (parameters, engine, ...).
    """

    name: str
    identity: str
    vocabulary: int
    context: int
    end_tokens: tuple[int, ...]
    details: Mapping[str, str | int | float]


@dataclass(frozen=True)
class Prefix:
    """A prompt that a model has read: computed once, shared by every text that continues it.

    Attributes:
        tokens: the ids that were read.
        logits: scores of the next token, shape [vocab].
        cache: the model's own memory of the prompt; only the model that made it can use it.
    """

    tokens: tuple[int, ...]
    logits: NDArray[np.float32]
    cache: Any


class Batch(Protocol):
    """Texts that are continued together, in rows 0 to size - 1; live rows stand first."""

    def place(self, row: int, prefix: Prefix) -> None:
        """Begin a text in a row, after a prompt; what the row held is forgotten."""

    def copy(self, source: int, target: int) -> None:
        """Make the target row the same text as the source row: a fork, or a move."""

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Append one token to each of the first ``len(tokens)`` rows; return scores of the next, [rows, vocab].

        A row's scores do not depend on the other rows or on how many there are.
        """


@runtime_checkable
class LogitsModel(Protocol):
    """A model that gives the full logits at every step."""

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a prompt, with whatever mark the model expects before a text."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of ids; bytes that are no character yet become U+FFFD."""

    def prefill(self, tokens: Sequence[int]) -> Prefix:
        """Read a prompt of at least one token and fewer than ``info.context``.

        Raises:
            PromptError: the prompt is empty or too long.
        """

    def score(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Return the logits after every token, shape [tokens, vocab]; row i scores token i + 1."""

    def batch(self, size: int) -> Batch:
        """Return room for ``size`` texts."""


@runtime_checkable
class ChatModel(Protocol):
    """What a ``LogitsModel`` has besides, if it was trained on conversations."""

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation in the model's own template, up to where the answer begins.

        Raises:
            ChatTemplateError: the model has no template, or it refuses the messages.
        """
