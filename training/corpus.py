"""Read a corpus and divide it into training and held-out documents.

Knows files and documents; knows nothing of tokens or models.

A corpus file is JSON Lines (one object a line with a ``text`` field, optionally ``author``), plain or
``.xz``, or plain text with documents divided by blank lines.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

HELD_OUT_AUTHORS = 5
AUTHOR_CHARACTERS = (100_000, 300_000)
HELD_OUT_SHARE = 0.05


def read(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a corpus file, each a mapping with at least ``text``."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as stream:
        return list(_documents(path, stream))


def _documents(path: Path, stream: TextIO) -> Iterator[dict[str, Any]]:
    if ".jsonl" in path.name:
        yield from map(json.loads, stream)
    else:
        yield from ({"text": text.strip()} for text in stream.read().split("\n\n") if text.strip())


def _rank(key: str) -> str:
    """Order keys by a hash, so that the choice depends on nothing but the key."""
    return hashlib.sha256(key.encode()).hexdigest()


def held_out_authors(documents: list[dict[str, Any]]) -> list[str]:
    """Choose the authors whose every text is kept from training: by hash, among those of middling size."""
    size: Counter[str] = Counter()
    for document in documents:
        size[document["author"]] += len(document["text"])
    low, high = AUTHOR_CHARACTERS
    candidates = [author for author, count in size.items() if low <= count <= high]
    return sorted(candidates, key=_rank)[:HELD_OUT_AUTHORS]


def split(documents: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Divide documents into ``train``, ``valid`` (chooses the checkpoint) and ``test`` (is reported).

    A corpus with authors is divided by author: ``test`` is every text of the held-out authors, ``valid`` a
    twentieth part of the rest at most. Without authors, ``valid`` and ``test`` are five per cent of the documents each.
    """
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    authors = set(held_out_authors(documents)) if "author" in documents[0] else None
    for document in documents:
        share = int(_rank(document["text"])[:8], 16) / 0xFFFFFFFF
        if authors is not None:
            held = document["author"] in authors
            name = "test" if held else "valid" if document.get("split") == "valid" else "train"
        elif share < HELD_OUT_SHARE:
            name = "test"
        else:
            name = "valid" if share < 2 * HELD_OUT_SHARE else "train"
        parts[name].append(document["text"])
    return parts
