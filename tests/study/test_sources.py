"""Graded studies: right answers are counted, and reading a run folder never runs the code that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tempering.models.onnx import OnnxModel
from tempering.study.analysis import load_results
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tempering.study.sources import Sources, grader_of

PLAN: dict[str, Any] = {
    "prompts": [
        {"id": "p", "text": "Once upon a", "expected": "time"},
        {"id": "q", "text": "The end", "expected": "x"},
    ],
    "temperatures": [0, 1],
    "samples": 2,
    "max_tokens": 4,
}


def test_expected_answers_make_accuracy(model: OnnxModel, tmp_path: Path) -> None:
    plan = make_plan(PLAN | {"grader": "contains"})
    results = run_study(plan, model, tmp_path / "run")
    rows = results.estimates.filter(results.estimates["measure"] == "accuracy").to_dicts()
    assert [(row["temperature"], row["n"]) for row in rows] == [(0, 4), (1, 4)]
    assert rows[0]["mean"] == 0.5
    assert {"pass@2", "majority@2"} <= set(results.estimates["measure"])


def test_code_runs_in_the_study_and_never_when_a_folder_is_read(model: OnnxModel, tmp_path: Path) -> None:
    (tmp_path / "grade.py").write_text("def f(text, expected):\n    return 0.25\n")
    plan = make_plan(PLAN | {"grader": f"{tmp_path / 'grade.py'}:f"})
    run_study(plan, model, tmp_path / "run")
    (tmp_path / "grade.py").write_text("raise SystemExit('ran')\n")
    results = load_results(tmp_path / "run")
    accuracy = results.values.filter(results.values["measure"] == "accuracy")["value"].to_list()
    assert accuracy == [0.25] * 8
    assert results.estimates.filter(results.estimates["measure"] == "accuracy")["mean"].to_list() == [0.25, 0.25]
    (tmp_path / "run" / "measures.parquet").write_bytes(b"damaged")
    assert "accuracy" not in set(load_results(tmp_path / "run").values["measure"])


def test_a_grader_without_code_needs_no_source() -> None:
    made = grader_of(make_plan(PLAN), Sources())
    assert made is not None
    assert made.kind == "exact"
    assert grader_of(make_plan({}), Sources()) is None
    assert grader_of(make_plan(PLAN | {"grader": "no_such_module:f"}), Sources()) is None
