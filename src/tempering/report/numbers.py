"""Numbers as a reader sees them: the same form in words, tables and figures."""

from __future__ import annotations

import math


def number(value: float | None) -> str:
    """Return a number with three significant digits; ``undefined`` for None or NaN.

    Example:
        >>> number(0.04512), number(12.345), number(1234.5), number(0.0), number(None)
        ('0.045', '12.3', '1,234', '0', 'undefined')
    """
    if value is None or math.isnan(value):
        return "undefined"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    digits = 1 if size >= 9.995 else 2 if size >= 0.9995 else 3
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def counted(count: int, thing: str) -> str:
    """Return a count with its noun, which gets an s unless there is one.

    Example:
        >>> counted(1, "prompt"), counted(1234, "text")
        ('1 prompt', '1,234 texts')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def within(title: str) -> str:
    """Return a title as it stands inside a sentence.

    Example:
        >>> within("Word pairs that English has")
        'word pairs that English has'
    """
    return title[:1].lower() + title[1:]


def interval(low: float | None, high: float | None) -> str:
    """Return an interval in brackets.

    Example:
        >>> interval(0.1, 0.25), interval(None, None)
        ('[0.100, 0.250]', '[undefined]')
    """
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return "[undefined]"
    return f"[{number(low)}, {number(high)}]"


def temperature(value: float) -> str:
    """Return a temperature without needless digits.

    Example:
        >>> temperature(0.0), temperature(0.85), temperature(float("inf"))
        ('0', '0.85', '∞')
    """
    return "∞" if math.isinf(value) else f"{value:g}"
