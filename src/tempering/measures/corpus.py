"""A corpus of yours, indexed: which word sequences stand in it, exactly. Knows files and words; knows no model.

The unit is the word in lower case, punctuation aside: a corpus is a text and has no tokenizer, words make models with
different tokenizers comparable, and a copied phrase stays copied when a comma changes. A match never crosses the border
of a document. The index is built once and kept in the user's cache folder (``TEMPERING_CACHE``, else
``tempering/corpora`` in ``XDG_CACHE_HOME`` or ``~/.cache``), under a hash of the files; it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tempering.errors import CorpusError
from tempering.measures.suffixes import Numbers, longest_matches, suffix_order
from tempering.measures.words import words

FORMAT = 1
KINDS = (".txt", ".jsonl", ".txt.xz", ".jsonl.xz")
LONGEST = 10
SIZES = tuple(range(1, LONGEST + 1))


class TrainingText(Protocol):
    """What a text may have been copied from.

    Attributes:
        name: what a reader knows it by.
        identity: a hash of its content.
        sizes: the n for which it knows n-grams.
        note: what it is and how exact its answers are, in a sentence.
    """

    @property
    def name(self) -> str:
        """What a reader knows it by."""

    @property
    def identity(self) -> str:
        """A hash of its content."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The n for which it knows n-grams."""

    @property
    def note(self) -> str:
        """What it is and how exact its answers are, in a sentence."""

    def novelty(self, texts: Sequence[Sequence[str]], n: int) -> list[float]:
        """Return the share of each text's n-grams that are not in it; NaN where none can be asked for."""


@dataclass(frozen=True)
class CorpusIndex:
    """A corpus that can be searched; a ``TrainingText`` with exact answers for n = 1 to 10.

    Attributes:
        name: of the file or folder, without its place, as results are passed on.
        identity: a hash of the files.
        vocabulary: word to number, from 1; 0 stands between documents.
        items: the numbers of all words, int32.
        order: its suffixes in order, int32.
    """

    name: str
    identity: str
    vocabulary: dict[str, int]
    items: Numbers
    order: Numbers

    @property
    def sizes(self) -> tuple[int, ...]:
        """The n of a study; the index itself knows every n."""
        return SIZES

    @property
    def note(self) -> str:
        """What it is and how exact its answers are."""
        count = len(self.items) - int((self.items == 0).sum())
        return f"Training text: {self.name}, {count:,} words, searched exactly (sha256 {self.identity[:12]})."

    def matches(self, texts: Sequence[Sequence[str]]) -> list[Numbers]:
        """Return for each word of each text how many words from there on stand together in the corpus.

        Example:
            >>> index = index_of(["the fox ran home"], "example")
            >>> index.matches([["a", "fox", "ran"]])[0].tolist()
            [0, 2, 1]
        """
        get, query, ends = self.vocabulary.get, [], []
        for text in texts:
            query += [get(word, -1) for word in text]
            ends.append(len(query))
            query.append(-1)  # a match never goes on into the next text
        found = longest_matches(self.items, self.order, np.array(query, dtype=np.int32))
        begins = [0, *(end + 1 for end in ends)]
        return [found[begin:end] for begin, end in zip(begins, ends, strict=False)]

    def novelty(self, texts: Sequence[Sequence[str]], n: int) -> list[float]:
        """Return the share of each text's n-grams that the corpus does not hold; NaN below n words.

        Example:
            >>> index_of(["the fox ran home"], "example").novelty([["the", "fox", "sang"]], 2)
            [0.5]
        """
        windows = [found[: max(len(found) - n + 1, 0)] for found in self.matches(texts)]
        return [float((window < n).mean()) if len(window) else float("nan") for window in windows]


def index_of(documents: Iterable[str], name: str, identity: str = "") -> CorpusIndex:
    """Return the index of documents, built in memory.

    Raises:
        CorpusError: there is no word in them, or more than 2**31 of them.
    """
    vocabulary: dict[str, int] = {}
    pieces = []
    for document in documents:
        numbers = [vocabulary.setdefault(word, len(vocabulary) + 1) for word in words(document)]
        pieces.append(np.array([*numbers, 0], dtype=np.int32))
    items = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32)
    if not vocabulary:
        raise CorpusError(f"the corpus {name} holds no word")
    if len(items) >= 2**31:
        raise CorpusError(f"the corpus {name} has more than 2**31 words; divide it")
    return CorpusIndex(name, identity, vocabulary, items, suffix_order(items))


def cache_folder() -> Path:
    """Return where indexes are kept."""
    own, base = os.environ.get("TEMPERING_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return (Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "tempering") / "corpora"


def open_corpus(path: Path, *, on_build: Callable[[int], None] | None = None) -> CorpusIndex:
    """Return the index of a corpus, from the cache or built now.

    Args:
        path: a text file (one document), JSON Lines with ``text`` (a document a line), either of them also as ``.xz``,
            or a folder with such files.
        on_build: called with the number of bytes when the index has to be built.

    Raises:
        CorpusError: a file is missing or is none of these, or there is no word in it.
    """
    files = _files(path)
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    for file in files:
        with _reading(file), file.open("rb") as stream:
            digest.update(f"\n{''.join(file.suffixes)}\n".encode())
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    identity = digest.hexdigest()
    folder = cache_folder() / identity[:24]
    if (kept := _load(folder, path.name, identity)) is not None:
        return kept
    if on_build:
        on_build(sum(file.stat().st_size for file in files))
    index = index_of(documents_of(path), path.name, identity)
    return index if not _save(index, folder) else _load(folder, path.name, identity) or index


def documents_of(path: Path) -> Iterator[str]:
    """Yield the documents of a file or folder of the kinds that ``open_corpus`` reads.

    Raises:
        CorpusError: a file is missing, is none of these, or cannot be read.
    """
    for file in _files(path):
        yield from read_documents(file)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and file.name.endswith(KINDS))
        if not files:
            raise CorpusError(f"{path} holds no corpus file ({', '.join('*' + kind for kind in KINDS)})")
        return files
    if not path.exists():
        raise CorpusError(f"there is no corpus {path}")
    if not path.name.endswith(KINDS):
        raise CorpusError(f"a corpus is a file or a folder of {', '.join('*' + kind for kind in KINDS)}, got {path}")
    return [path]


def read_documents(file: Path) -> Iterator[str]:
    """Yield the documents of a corpus file.

    Raises:
        CorpusError: it cannot be read, or a line of JSON Lines has no ``text``; the line is named.
    """
    opener: Callable[..., Any] = lzma.open if file.suffix == ".xz" else open
    with _reading(file), opener(file, "rt", encoding="utf-8-sig") as stream:
        if ".jsonl" not in file.suffixes:
            yield stream.read()
            return
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError):
                text = None
            if not isinstance(text, str):
                raise CorpusError(f"{file}, line {number}: expected an object with 'text'")
            yield text


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise CorpusError(f"cannot read {file}: it is not UTF-8 text") from None
    except (OSError, EOFError, lzma.LZMAError) as problem:
        raise CorpusError(f"cannot read {file}: {getattr(problem, 'strerror', None) or problem}") from None


def _save(index: CorpusIndex, folder: Path) -> bool:
    """Keep an index; False if the cache folder cannot be written, which costs time and nothing else."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".new-"))
        np.save(made / "items.npy", index.items)
        np.save(made / "order.npy", index.order)
        (made / "vocabulary.txt").write_text("\n".join(index.vocabulary), encoding="utf-8")
        facts = _facts(index.identity, len(index.items), len(index.vocabulary))
        (made / "index.json").write_text(json.dumps(facts), encoding="utf-8")
    except OSError:
        return False
    shutil.rmtree(folder, ignore_errors=True)  # what is there could not be loaded, or another process was faster
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
    return True


def _facts(identity: str, items: int, forms: int) -> dict[str, Any]:
    return {"format": FORMAT, "identity": identity, "items": items, "words": forms}


def _load(folder: Path, name: str, identity: str) -> CorpusIndex | None:
    """Return a kept index, its arrays mapped into memory; None if it is not there whole."""
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        items = np.load(folder / "items.npy", mmap_mode="r", allow_pickle=False)
        order = np.load(folder / "order.npy", mmap_mode="r", allow_pickle=False)
        listed = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return None
    if facts != _facts(identity, len(items), len(listed)):
        return None
    if len(items) != len(order) or items.dtype != np.int32 or order.dtype != np.int32:
        return None
    return CorpusIndex(name, identity, {word: number for number, word in enumerate(listed, 1)}, items, order)
