"""Words and sentences of a text, for every measure that counts them. Knows no language in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

_APOSTROPHE = "\u2019"
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, Kana and Han: scripts that are written without spaces between words."""

_WORD = re.compile(rf"[^\W_{UNSPACED}]+(?:['{_APOSTROPHE}][^\W_{UNSPACED}]+)*")
_MARKS = re.compile(r"[^\w\s]*")
_SENTENCE = re.compile(rf"(?<=[.!?…])[\"'”{_APOSTROPHE})\]]*\s+|\n+")


def words(text: str) -> list[str]:
    """Return the words of a text in lower case: runs of letters and digits, apostrophes inside them kept.

    Scripts that are written without spaces between words (``UNSPACED``) have none here: they would come out as whole
    runs, which no measure of words fits.

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
