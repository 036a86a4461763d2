"""What tells the files of one model from those of another, and whether they belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tempering.errors import ModelError

WHOLE_FILE = 64 << 20
PIECE, PIECES = 1 << 20, 64


def digest_of(paths: Iterable[Path]) -> str:
    """Return twelve hex digits of the files' names, sizes and bytes.

    Files up to 64 MiB are hashed whole; of larger ones 64 pieces of 1 MiB, evenly spread.
    """
    digest = hashlib.sha256()
    for path in sorted(paths):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as stream:
            if size <= WHOLE_FILE:
                digest.update(stream.read())
                continue
            for piece in range(PIECES):
                stream.seek(piece * (size - PIECE) // (PIECES - 1))
                digest.update(stream.read(PIECE))
    return digest.hexdigest()[:12]


def refuse_other_vocabulary(ids: Iterable[int], size: int, name: str) -> None:
    """Refuse a tokenizer that has ids which the model's logits lack; a model may have more logits than ids.

    Raises:
        ModelError: it has; the tokenizer is another model's.

    Example:
        >>> refuse_other_vocabulary([0, 1, 2], 4, "hf:./model")
    """
    if (highest := max(ids, default=0)) >= size:
        raise ModelError(
            f"{name}: the tokenizer has ids up to {highest}, but the model only {size} logits; "
            "is it another model's tokenizer?"
        )
