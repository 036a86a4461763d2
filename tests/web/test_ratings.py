"""Sheets on the page: blind, in the rater's own order, kept as they grow, and read by the analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempering.models.onnx import OnnxModel
from tempering.study.plan import make_plan
from tempering.study.ratings import QUESTIONS, read_ratings
from tempering.study.run import run_study
from tempering.web.ratings import _table, save_scores, sheet_of
from tempering.web.refusals import Refusal


@pytest.fixture(scope="module")
def folder(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "small"
    plan = make_plan({"prompts": ["Once upon a time"], "temperatures": [0, 1, 2], "samples": 4, "max_tokens": 12})
    run_study(plan, model, out)
    return out


def test_a_sheet_is_blind_and_in_an_order_of_its_own(folder: Path) -> None:
    ann, ben = (_table(sheet_of(folder, name)) for name in ("ann", "ben"))
    assert {row["id"] for row in ann} == {row["id"] for row in ben}
    assert [row["id"] for row in ann] != [row["id"] for row in ben]
    assert len(ann) == 8, "the greedy text is the example"
    assert not any("temperature" in column for column in ann[0])
    assert _table(sheet_of(folder, "ann")) == ann, "it is made once"


def test_scores_are_kept_and_read_by_the_analysis(folder: Path) -> None:
    path = sheet_of(folder, "cleo")
    texts = [row["id"] for row in _table(path)]
    for turn, text in enumerate(texts[:3]):
        scores = {name: 1 + (turn + place) % 5 for place, name in enumerate(QUESTIONS)}
        assert save_scores(path, "cleo", text, scores) == len(texts) - turn - 1
    found = read_ratings(folder, [path])
    assert list(found.raters) == ["cleo"] * 3
    assert sorted(found.texts) == sorted(texts[:3])
    assert found.scores["novelty"].tolist() == [1, 2, 3]
    assert found.empty == 5


def test_what_is_refused(folder: Path) -> None:
    path = sheet_of(folder, "dan")
    text, whole = _table(path)[0]["id"], dict.fromkeys(QUESTIONS, 3)
    for scores in ({}, whole | {"novelty": 0}, whole | {"novelty": 6}, whole | {"other": 3}, {"novelty": 3}):
        with pytest.raises(Refusal, match="whole number from 1 to 5"):
            save_scores(path, "dan", text, scores)
    with pytest.raises(Refusal, match="no text"):
        save_scores(path, "dan", "t000000000", whole)
    for name in ("", "..", "../x", "a/b", "x" * 41, "a b", ".hidden"):
        with pytest.raises(Refusal, match="name must be"):
            sheet_of(folder, name)
