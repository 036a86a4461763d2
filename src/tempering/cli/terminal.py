"""What is written to the terminal: errors, notes, untrusted text. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import sys
import unicodedata

_KEPT = {"\n", "\t"}


def printable(text: str) -> str:
    r"""Return text without what could act on a terminal: control characters, and marks that reorder the line.

    Example:
        >>> printable("red \x1b[31m and \u202e back")
        'red \ufffd[31m and \ufffd back'
    """
    harmless = (c if c in _KEPT or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else "\ufffd" for c in text)
    return "".join(harmless)


def say(message: str) -> None:
    """Write one line to stderr."""
    print(printable(message).replace("\n", " "), file=sys.stderr, flush=True)


def shown(text: str) -> str:
    """Return text as it may be written to stdout: exact into a pipe, printable on a terminal."""
    return printable(text) if sys.stdout.isatty() else text
