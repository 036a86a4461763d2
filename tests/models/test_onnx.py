"""The ONNX runtime: the cache changes nothing, neighbours change nothing, bad folders are named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tempering.errors import ModelError, PromptError, UnknownModelError
from tempering.models.base import LogitsModel, require_logits
from tempering.models.embedded import WEIGHTS
from tempering.models.onnx import BLOCK, OnnxModel
from tempering.models.registry import load_model

TEXT = "Once upon a time, there was a little girl who lived in a big house near the sea. One day she"


def test_it_is_a_logits_model(model: OnnxModel) -> None:
    assert isinstance(model, LogitsModel)
    assert model.info.vocabulary == 4096
    assert model.info.identity.startswith("tempering-stories@")


@pytest.mark.parametrize(
    "text", [TEXT, "", "naïve café — “quotes”", "日本語 🦊", "tab\tand\nline", " leading space", "\x00\x1b"]
)
def test_text_survives_the_tokenizer(model: OnnxModel, text: str) -> None:
    tokens = model.encode(text)
    assert tokens[0] == 0
    assert model.decode(tokens[1:]) == text


def test_text_that_looks_like_the_end_mark_is_text(model: OnnxModel) -> None:
    """A prompt must not be able to write special tokens."""
    tokens = model.encode("a <|endoftext|> b")
    assert 0 not in tokens[1:]


def test_logits_step_by_step_are_those_of_the_whole_text(model: OnnxModel) -> None:
    tokens = model.encode(TEXT)
    whole = model.score(tokens)
    assert whole.shape == (len(tokens), 4096)
    batch = model.batch(1)
    prefix = model.prefill(tokens[:5])
    assert np.allclose(prefix.logits, whole[4], atol=2e-4)
    batch.place(0, prefix)
    for index in range(5, len(tokens)):
        step = batch.step(np.array([tokens[index]]))
        assert np.allclose(step[0], whole[index], atol=2e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 33, 64])
def test_a_row_does_not_depend_on_its_neighbours_to_the_last_bit(model: OnnxModel, size: int) -> None:
    tokens = model.encode(TEXT)
    alone = model.batch(1)
    alone.place(0, model.prefill(tokens[:6]))
    many = model.batch(size)
    others = np.random.default_rng(size).integers(1, 4096, size=(size, 30))
    for row in range(size - 1):
        many.place(row, model.prefill([0, *others[row, : 1 + row % 20].tolist()]))
    many.place(size - 1, model.prefill(tokens[:6]))
    for index in range(6, len(tokens)):
        drawn = np.append(others[: size - 1, index], tokens[index]).astype(np.int64)
        assert (many.step(drawn)[-1] == alone.step(np.array([tokens[index]]))[0]).all()


def test_a_longer_cache_changes_no_bit(model: OnnxModel) -> None:
    """Beside a text that needs five blocks of cache, a short one gets the same logits."""
    tokens = model.encode(TEXT)
    alone, beside = model.batch(2), model.batch(2)
    long = model.prefill([0] + [7] * (5 * BLOCK))
    for batch in (alone, beside):
        batch.place(0, model.prefill(tokens[:6]))
    beside.place(1, long)
    for token in tokens[6:]:
        first = alone.step(np.array([token]))
        assert (beside.step(np.array([token, 9]))[0] == first[0]).all()


def test_the_cache_grows_past_its_blocks(model: OnnxModel) -> None:
    tokens = [0, *np.random.default_rng(3).integers(1, 4096, 2 * BLOCK + 5).tolist()]
    whole = model.score(tokens)
    batch = model.batch(3)
    batch.place(0, model.prefill(tokens[:2]))
    step = np.empty(0)
    for token in tokens[2:]:
        step = batch.step(np.array([token]))[0]
    assert np.allclose(step, whole[-1], atol=5e-4)


def test_a_fork_goes_on_as_its_source(model: OnnxModel) -> None:
    tokens = model.encode(TEXT)
    batch = model.batch(3)
    batch.place(0, model.prefill(tokens[:8]))
    batch.step(np.array([tokens[8]]))
    batch.copy(0, 2)
    batch.place(1, model.prefill(tokens[:3]))
    logits = batch.step(np.array([tokens[9], 5, tokens[9]]))
    assert (logits[0] == logits[2]).all()
    apart = batch.step(np.array([11, 5, 12]))
    assert not (apart[0] == apart[2]).all()


def test_the_context_is_a_limit(model: OnnxModel) -> None:
    assert model.score([0] * 512).shape[0] == 512
    for tokens in ([], [0] * 513):
        with pytest.raises(PromptError):
            model.prefill(tokens)
    batch = model.batch(1)
    batch.place(0, model.prefill([0] * 512))
    with pytest.raises(PromptError, match="longer than the context"):
        batch.step(np.array([1]))


def _damage(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def _set(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps(facts | {key: value}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), r"cannot read .*model\.onnx: No such file"),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"cannot read .*tokenizer\.json"),
        (_damage("model.onnx", b"not a model"), "onnx:"),
        (_damage("tokenizer.json", b"{}"), "onnx:"),
        (_set("vocabulary", 4000), "the tokenizer has ids up to 4095, but the model only 4000 logits"),
        (_damage("model.json", b"{}"), r"model\.json, format: Field required"),
        (_set("format", 99), "format 99, this version reads 1"),
    ],
)
def test_a_bad_folder_is_one_clear_error(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(WEIGHTS, folder)
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"onnx:{folder}")
    assert "\n" not in str(caught.value)


def test_a_copied_folder_is_the_same_model(tmp_path: Path, model: OnnxModel) -> None:
    shutil.copytree(WEIGHTS, tmp_path / "copy")
    copy = require_logits(load_model(f"onnx:{tmp_path / 'copy'}"))
    assert copy.info.identity == model.info.identity
    assert (copy.score([0, 5]) == model.score([0, 5])).all()


@pytest.mark.parametrize("name", ["", "gpt", "embedded:x", "onnx:", "onnx"])
def test_unknown_names_say_what_is_known(name: str) -> None:
    with pytest.raises(ModelError, match=r"embedded|folder") as caught:
        load_model(name)
    assert isinstance(caught.value, UnknownModelError) or name in {"onnx:", "onnx"}
