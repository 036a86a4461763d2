"""A corpus of a user: exact answers against enumeration, the cache, and every kind of file that is none."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tempering import Completion
from tempering.errors import CorpusError
from tempering.measures import measure
from tempering.measures.base import Samples
from tempering.measures.corpus import LONGEST, cache_folder, index_of, open_corpus
from tempering.measures.words import ngrams, words

WORDS = st.lists(st.sampled_from(["the", "fox", "ran", "Sea.", "old"]), max_size=30).map(" ".join)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPERING_CACHE", str(tmp_path / "cache"))


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, st.integers(1, LONGEST))
def test_novelty_is_what_counting_says(documents: list[str], text: str, n: int) -> None:
    known = {gram for document in documents for gram in ngrams(words(document), n)}
    grams = ngrams(words(text), n)
    if not any(words(document) for document in documents):
        with pytest.raises(CorpusError, match="holds no word"):
            index_of(documents, "c")
        return
    [share] = index_of(documents, "c").novelty([words(text)], n)
    if grams:
        assert share == pytest.approx(sum(gram not in known for gram in grams) / len(grams))
    else:
        assert np.isnan(share)


def test_copied_text_is_known_and_random_words_are_new() -> None:
    index = index_of(["Once upon a time there was a fox.", "The end of the tale came soon after."], "c")
    copied, foreign = words("there was a fox"), words("zig zag zog zug")
    for n in range(1, 5):
        assert index.novelty([copied, foreign], n) == [0, 1]
    assert index.matches([words("fox the end of the tale!")])[0].tolist() == [1, 5, 4, 3, 2, 1]


def test_the_longest_copied_piece_at_equal_length(completion: Callable[..., Completion]) -> None:
    index = index_of(["once upon a time there was a fox who lived by the sea"], "c")
    texts = ["a time there was a fox now", "zig zag zog zug a fox", "upon a", "a fox who lived by the sea and more"]
    every = [*texts, *["zig zag zog zug a fox"] * 40]
    made = tuple(completion(text, sample=place) for place, text in enumerate(every))
    samples = Samples(made, corpus=index)
    assert samples.budget == 6
    got = measure("copied_span").function(samples)
    assert got[[0, 1, 3]].tolist() == [6, 2, 6]
    assert np.isnan(got[2])
    assert np.isnan(measure("copied_span").function(Samples(made))).all()


def _write(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.txt").write_text("the fox ran")
    (folder / "b.jsonl").write_text(json.dumps({"text": "over the sea"}) + "\n\n" + json.dumps({"text": "home"}) + "\n")
    (folder / "c.txt.xz").write_bytes(lzma.compress(b"an old boat"))
    (folder / "ignored.csv").write_text("x")
    return folder


def test_files_are_read_and_the_index_is_kept(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    built: list[int] = []
    first = open_corpus(folder, on_build=built.append)
    again = open_corpus(folder, on_build=built.append)
    assert len(built) == 1
    assert isinstance(again.items, np.memmap)
    assert again.vocabulary == first.vocabulary
    assert (again.name, str(tmp_path) in again.note) == ("corpus", False)
    text = [words("the fox ran over the old boat")]
    assert again.matches(text)[0].tolist() == [3, 2, 1, 2, 1, 2, 1]
    (folder / "a.txt").write_text("the fox ran over")
    assert open_corpus(folder, on_build=built.append).matches(text)[0].tolist()[0] == 4
    assert len(built) == 2


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    folder = _write(tmp_path)
    open_corpus(folder)
    [kept] = cache_folder().iterdir()
    for name in ("order.npy", "items.npy", "vocabulary.txt", "index.json"):
        (kept / name).write_bytes((kept / name).read_bytes()[:20])
        assert open_corpus(folder).novelty([["fox", "sang"]], 1) == [0.5]
        assert isinstance(open_corpus(folder).items, np.memmap)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEMPERING_CACHE", str(tmp_path / "file"))
    assert open_corpus(_write(tmp_path)).novelty([["fox", "sang"]], 1) == [0.5]


def test_what_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"texts": "b"}\n')
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "cut.txt.xz").write_bytes(lzma.compress(b"some text")[:-8])
    (tmp_path / "no.txt").write_text("... !")
    for name, message in (
        ("none.txt", "there is no corpus"),
        ("x.csv", "a corpus is a file or a folder of"),
        ("empty", "holds no corpus file"),
        ("bad.jsonl", "line 2: expected an object with 'text'"),
        ("bytes.txt", "not UTF-8"),
        ("cut.txt.xz", "cannot read"),
        ("no.txt", "holds no word"),
    ):
        with pytest.raises(CorpusError, match=message) as caught:
            open_corpus(tmp_path / name)
        assert "\n" not in str(caught.value)
