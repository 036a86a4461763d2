"""A study with a real judge behind a server, which cannot judge, and with an endpoint of embeddings: end to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempering.models.onnx import OnnxModel
from tempering.study.analysis import load_results
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tests.measures import test_embeddings

endpoint = test_embeddings.endpoint


@pytest.fixture
def judge() -> Iterator[str]:
    command = [sys.executable, "-m", "tempering", "serve", "--port", "0", "--json", "--chat-template", "plain"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout
    yield json.loads(process.stdout.readline())["url"]
    process.kill()
    process.communicate()


def test_a_judge_that_cannot_judge_is_shown_as_one(model: OnnxModel, judge: str, endpoint: str, tmp_path: Path) -> None:
    values = {
        "prompts": ["Once upon a time", "The dog"],
        "temperatures": "0,1",
        "samples": 1,
        "max_tokens": 24,
        "judge": judge,
        "judge_temperature": 0.5,
        "embeddings": endpoint,
    }
    results = run_study(make_plan(values), model, tmp_path / "run")
    [note] = [note for note in results.notes if note.startswith("Judge: ")]
    assert note.startswith(f"Judge: {results.identities['judge']};")
    assert results.identities["judge"].endswith("at T=0.5")
    found = re.search(r"(\d+) of (\d+) answers hold a number", note)
    assert found
    numbers, asked = map(int, found.groups())
    assert 0 <= numbers <= asked <= 4 * 4
    judged = results.values.filter(results.values["measure"].str.starts_with("judged_"))
    assert judged.height == 4 * 4
    # Texts that are the same are one question; a refused answer is no value.
    assert judged["value"].drop_nulls().len() >= numbers
    assert "that it can judge at all is not shown" in note
    assert any(note == f"Embeddings: {endpoint}." for note in results.notes)
    similarity = results.values.filter(
        (results.values["measure"] == "embedding_similarity") & (results.values["temperature"] == 0)
    )
    assert set(similarity["value"].round(9)) == {1.0}, "the greedy text is its own exemplar"
    asked_before = len(test_embeddings._Endpoint.asked)
    again = run_study(make_plan(values), model, tmp_path / "run")
    assert again.notes == results.notes == load_results(tmp_path / "run").notes
    assert len(test_embeddings._Endpoint.asked) == asked_before, "nothing is asked twice"
