"""What a server answers, read and checked: texts, why they end, logprobs, usage. Knows nothing of HTTP.

What has another shape than the servers document is refused, never repaired: a logprob at the wrong token is worse than
none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tempering.errors import ServerError
from tempering.models.base import Answer, FinishReason, LogprobKind, Served

REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""Servers' words for why a text ends."""

Top = tuple[tuple[str, float], ...]


@dataclass
class Piece:
    """One choice of an answer, or what has come of it."""

    text: str = ""
    reason: str | None = None
    tokens: list[str] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    top: list[Top] = field(default_factory=list)


def choices_of(content: Any, name: str) -> list[Piece]:
    """Return the choices of an answer, or of one event of a stream, by their index.

    Raises:
        ServerError: it is not an answer, or its logprobs have a wrong shape.
    """
    choices = content.get("choices") if isinstance(content, dict) else None
    if not isinstance(choices, list):
        raise ServerError(f"{name}: the answer holds no choices")
    try:
        return [_piece(choice) for choice in sorted(choices, key=lambda choice: choice.get("index", 0))]
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        why = str(problem) if isinstance(problem, _ShapeError) else "a choice is not what a choice should be"
        raise ServerError(f"{name}: the answer cannot be read: {why}") from None


class _ShapeError(ValueError):
    """Logprobs have another shape than documented."""


def _piece(choice: Mapping[str, Any]) -> Piece:
    message = choice.get("message") or choice.get("delta") or choice
    text = message.get("content") if message is not choice else choice.get("text")
    if text is not None and not isinstance(text, str):
        raise TypeError
    piece = Piece(whole_characters(text or ""), choice.get("finish_reason"))
    if logprobs := choice.get("logprobs"):
        if isinstance(logprobs.get("content"), list):
            _read_chat(piece, logprobs["content"])
        elif "token_logprobs" in logprobs:
            _read_completion(piece, logprobs)
    return piece


def _read_chat(piece: Piece, content: list[Mapping[str, Any]]) -> None:
    for item in content:
        piece.tokens.append(_token(item["token"]))
        piece.logprobs.append(_logprob(item["logprob"]))
        tops = item.get("top_logprobs") or []
        piece.top.append(_sorted((_token(one["token"]), _logprob(one["logprob"])) for one in tops))


def _read_completion(piece: Piece, logprobs: Mapping[str, Any]) -> None:
    tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
    tops = logprobs.get("top_logprobs") or [{}] * len(tokens)
    if not len(tokens) == len(values) == len(tops):
        raise _ShapeError(f"{len(tokens)} tokens have {len(values)} logprobs and {len(tops)} lists of the likeliest")
    piece.tokens = [_token(token) for token in tokens]
    piece.logprobs = [_logprob(value) for value in values]
    piece.top = [_sorted((_token(token), _logprob(value)) for token, value in (top or {}).items()) for top in tops]


def _sorted(top: Any) -> Top:
    return tuple(sorted(top, key=lambda pair: (-pair[1], pair[0])))


def _token(value: Any) -> str:
    if not isinstance(value, str):
        raise _ShapeError(f"a token is {type(value).__name__}, not text")
    return whole_characters(value)


def _logprob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value > 1e-3:
        raise _ShapeError(f"a logprob is {value!r}")
    return min(float(value), 0.0) if math.isfinite(value) else -1e9  # JSON has no infinity; nobody draws such a token


def whole_characters(text: str) -> str:
    """Return text whose surrogates are characters; half of one becomes U+FFFD.

    Example:
        >>> whole_characters("a" + chr(0xD83D) + "b") == "a" + chr(0xFFFD) + "b"
        True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def usage_of(content: Any) -> tuple[int | None, int | None]:
    """Return the tokens that a server counts in prompt and text; None where it does not count.

    Example:
        >>> usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 9}}), usage_of({})
        ((3, 9), (None, None))
    """
    usage = content.get("usage") if isinstance(content, dict) else None
    counts = [usage.get(key) if isinstance(usage, dict) else None for key in ("prompt_tokens", "completion_tokens")]
    prompt, text = (count if isinstance(count, int) and count >= 0 else None for count in counts)
    return prompt, text


def answer_of(
    piece: Piece,
    name: str,
    *,
    kind: LogprobKind,
    usage: tuple[int | None, int | None] = (None, None),
    seconds: float | None = None,
    attempts: int = 1,
) -> Answer:
    """Return a choice as an ``Answer``.

    Raises:
        ServerError: it has no end, or an end that is not the text's own (a filter, a call of a tool).
    """
    if piece.reason is None or piece.reason not in REASONS:
        why = "has no end" if piece.reason is None else f"ends with {piece.reason!r}"
        raise ServerError(f"{name}: a text {why}, which is neither its own end nor the token limit")
    told = bool(piece.tokens)
    served = Served(
        tokens=tuple(piece.tokens) if told else None,
        logprobs=tuple(piece.logprobs) if told else None,
        top=tuple(piece.top) if told and any(piece.top) else None,
        kind=kind if told else "unknown",
        prompt_tokens=usage[0],
        completion_tokens=usage[1],
        seconds=None if seconds is None else round(seconds, 3),
        attempts=attempts,
    )
    return Answer(piece.text, REASONS[piece.reason], served)
