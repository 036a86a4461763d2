"""What a model offers to the rest of the library. Knows nothing of any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


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
