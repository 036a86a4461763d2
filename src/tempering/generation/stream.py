"""Tokens to text as they come, never half a character. Knows how a model decodes; knows nothing of drawing."""

from __future__ import annotations

from tempering.models.base import LogitsModel


class TextStream:
    """Turns tokens into text as they come, never showing half a character.

    Example:
        >>> from tempering import load_model
        >>> model = load_model("embedded")
        >>> stream = TextStream(model)
        >>> "".join(stream.push(token) for token in model.encode(" a café")[1:]) + stream.rest()
        ' a café'
    """

    def __init__(self, model: LogitsModel) -> None:
        self.model = model
        self.tokens: list[int] = []
        self.shown = 0

    def push(self, token: int) -> str:
        """Return the text that this token completes; empty while a character is not whole."""
        self.tokens.append(token)
        text = self.model.decode(self.tokens)
        if text.endswith("\ufffd"):
            return ""
        new, self.shown = text[self.shown :], len(text)
        return new

    def rest(self) -> str:
        """Return what is left at the end, broken characters included."""
        text = self.model.decode(self.tokens)
        new, self.shown = text[self.shown :], len(text)
        return new
