"""The recipe of the embedded model, from corpus to a model that can be studied, on a made-up corpus and three steps."""

from __future__ import annotations

import json
import lzma
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tempering import load_model
from tempering.testing import check_model

pytestmark = pytest.mark.engine("torch")

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "r", "st", "lly", "")]


def _story(generator: random.Random, words: int) -> str:
    return " ".join(generator.choices(WORDS, k=words)).capitalize() + "."


def _corpus(folder: Path) -> None:
    """Write two corpora as the recipe expects them: one by authors (one of a size to be held out), one without."""
    generator = random.Random(1)
    sizes = {"Held Out": 30, "Kept": 90}
    children = [
        {
            "author": author,
            "text": _story(generator, 1000),
            "split": "valid" if author == "Kept" and i < 12 else "train",
        }
        for author, count in sizes.items()
        for i in range(count)
    ]
    simple = [{"text": _story(generator, 150)} for _ in range(400)]
    for name, documents in (("children-stories", children), ("simple-stories", simple)):
        with lzma.open(folder / f"{name}.jsonl.xz", "wt", encoding="utf-8") as stream:
            stream.writelines(json.dumps(document) + "\n" for document in documents)


def test_the_whole_recipe(tmp_path: Path, repository: Path) -> None:
    corpus, data, out = tmp_path / "corpus", tmp_path / "data", tmp_path / "out"
    corpus.mkdir()
    _corpus(corpus)
    small = ["--steps", "3", "--batch", "2", "--width", "32", "--layers", "2", "--heads", "2", "--hidden", "48"]
    for script, *arguments in (
        ("prepare.py", "--corpus", str(corpus), "--out", str(data)),
        ("train.py", "--data", str(data), *small, "--validate-every", "2"),
        ("export.py", "--data", str(data), "--out", str(out)),
        ("evaluate.py", "--data", str(data), "--model", str(out / "onnx"), "--documents", "3"),
    ):
        done = subprocess.run(
            [sys.executable, str(repository / "training" / script), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"TORCHDYNAMO_DISABLE": "1"},  # three steps do not pay for a compiler
        )
        assert done.returncode == 0, done.stderr[-2000:]
    measured = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["set"] for row in measured] == ["children.test", "simple.test"]
    for row in measured:
        low, high = row["interval_95"]
        assert 1 < low <= row["bits_per_character"] <= high < 8, "three steps: near the 12 bits a token of a guess"
    log = [json.loads(line) for line in (data / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [0, 2, 3]
    check_model(load_model(f"onnx:{out / 'onnx'}"))
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {p.name for p in (out / "transformers").iterdir()}
