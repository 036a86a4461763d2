"""Untrusted text: what a model wrote, made harmless for a terminal and for HTML. Knows nothing of pages."""

from __future__ import annotations

import html
import unicodedata

_KEPT = {"\n", "\t"}
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def printable(text: str) -> str:
    r"""Return text without control characters and without marks that reorder or hide a line; each becomes U+FFFD.

    Example:
        >>> printable("red \x1b[31m and \u202e back")
        'red \ufffd[31m and \ufffd back'
    """
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _UNSAFE else "\ufffd" for c in text)


def escaped(text: str) -> str:
    """Return text as HTML content or attribute value, harmless in both.

    Example:
        >>> escaped('<b title="x">')
        '&lt;b title=&quot;x&quot;&gt;'
    """
    return html.escape(printable(text), quote=True)


def visible_token(token: str) -> str:
    """Return a token's text as HTML with its spaces and line ends to be seen.

    Example:
        >>> visible_token(" was"), visible_token(chr(10))
        ('␣was', '↵')
    """
    return escaped(token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")) or "(nothing)"
