"""One text on its way to a client: whole characters, stop strings, logprobs. Knows nothing of HTTP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tempering.generation.decode import Drawn
from tempering.generation.stream import TextStream
from tempering.models.base import LogitsModel

UNLIKELY = -9999.0
"""What OpenAI's API says for a log-probability of -inf, which JSON cannot hold."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a text that can be shown.

    Attributes:
        text: new characters, never half of one; may be empty.
        tokens: those that the stretch consists of.
        offset: characters of the text before it.
        finish: why the text ends here, if it does.
    """

    text: str
    tokens: tuple[Drawn, ...]
    offset: int
    finish: str | None


class TextWriter:
    """Turns the tokens of one text into pieces; holds back what may become a stop string.

    Args:
        model: decodes tokens.
        stops: strings that end the text and are not part of it.
    """

    def __init__(self, model: LogitsModel, stops: Sequence[str]) -> None:
        self._stream, self._stops, self._ends = TextStream(model), stops, model.info.end_tokens
        self._held, self._offset = "", 0
        self._pending: list[tuple[int, Drawn]] = []
        self.count = 0

    def push(self, drawn: Drawn) -> Piece:
        """Take a token; return what can be shown now."""
        self.count += 1
        if drawn.token not in self._ends:
            self._pending.append((len(self._held), drawn))
            self._held += self._stream.push(drawn.token)
        if drawn.completion:
            self._held += self._stream.rest()
        if (cut := first_stop(self._held, self._stops)) is not None:
            self._pending = [(at, one) for at, one in self._pending if at < cut]
            return self._piece(cut, "stop")
        if drawn.completion:
            return self._piece(len(self._held), drawn.completion.finish_reason)
        return self._piece(len(self._held) - held_back(self._held, self._stops), None)

    def _piece(self, length: int, finish: str | None) -> Piece:
        text, self._held = self._held[:length], self._held[length:]
        shown = [one for at, one in self._pending if at < length or finish or not self._held]
        self._pending = [(max(0, at - length), one) for at, one in self._pending[len(shown) :]]
        offset, self._offset = self._offset, self._offset + len(text)
        return Piece(text, tuple(shown), offset, finish)


def first_stop(text: str, stops: Sequence[str]) -> int | None:
    """Return where the first stop string begins, or None.

    Example:
        >>> first_stop("one two", ["two", "e t"])
        2
    """
    found = [at for stop in stops if (at := text.find(stop)) >= 0]
    return min(found, default=None)


def held_back(text: str, stops: Sequence[str]) -> int:
    """Return how many last characters may be the beginning of a stop string.

    Example:
        >>> held_back("one t", ["two", "e t!"])
        3
    """
    longest = max((len(stop) for stop in stops), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(len(stop) > length and stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0


def shown_logprob(value: float) -> float:
    """Return a log-probability for JSON."""
    return value if math.isfinite(value) else UNLIKELY
