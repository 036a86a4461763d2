"""Words and sentences of a text, for every measure that counts them. Knows no language in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

_APOSTROPHE = "\u2019"
_WORD = re.compile(rf"[^\W_]+(?:['{_APOSTROPHE}][^\W_]+)*")
_MARKS = re.compile(r"[^\w\s]*")
_SENTENCE = re.compile(rf"(?<=[.!?…])[\"'”{_APOSTROPHE})\]]*\s+|\n+")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters and digits, apostrophes inside them kept.

    Languages written without spaces come out as whole runs; measures that count words do not fit them.

    Example:
        >>> words("Don't stop -- it's 7 o'clock!")
        ["don't", 'stop', "it's", '7', "o'clock"]
    """
    return [word.replace(_APOSTROPHE, "'") for word in _WORD.findall(text.lower())]


def sentences(text: str) -> list[str]:
    """Return the sentences of a text that hold a word: split after . ! ? … and at line ends.

    Example:
        >>> sentences('"Run!" said Tom. They ran...\\nNight came.')
        ['"Run!', 'said Tom.', 'They ran...', 'Night came.']
    """
    return [part for part in _SENTENCE.split(text) if words(part)]


def beginning(text: str, count: int) -> str:
    """Return a text up to its so many-th word and the marks behind it, as it is written; all of it if it has fewer.

    Example:
        >>> beginning("A fox, a boat.  And then?", 4)
        'A fox, a boat.'
    """
    found = list(islice(_WORD.finditer(text), count))
    return text[: _MARKS.match(text, found[-1].end()).end()] if found else text  # type: ignore[union-attr]


def windows(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield consecutive windows of exactly this size; what is left over at the end is not used."""
    for begin in range(0, len(items) - size + 1, size):
        yield items[begin : begin + size]


def ngrams(items: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Return the n-grams in order.

    Example:
        >>> ngrams(["a", "b", "c"], 2)
        [('a', 'b'), ('b', 'c')]
    """
    if n == 2:
        return list(pairwise(items))
    return [tuple(items[i : i + n]) for i in range(len(items) - n + 1)]
