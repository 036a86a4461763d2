"""What is written to the terminal: errors, notes, untrusted text. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import sys

from tempering.report.untrusted import printable


def say(message: str) -> None:
    """Write one line to stderr."""
    print(printable(message).replace("\n", " "), file=sys.stderr, flush=True)


def shown(text: str) -> str:
    """Return text as it may be written to stdout: exact into a pipe, printable on a terminal."""
    return printable(text) if sys.stdout.isatty() else text
