"""Graded studies: right answers are counted, and reading a run folder never runs the code that it names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tempering.errors import NoLogitsError, UsageError
from tempering.models.base import Answer, Served, TextInfo, TextRequest
from tempering.models.onnx import OnnxModel
from tempering.study.analysis import load_results
from tempering.study.plan import make_plan
from tempering.study.run import run_study
from tempering.study.sources import Sources, grader_of, sources_of

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


def test_a_finished_study_is_measured_in_another_way_without_new_texts(
    model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPERING_CACHE", str(tmp_path / "cache"))
    folder, corpus = tmp_path / "run", tmp_path / "corpus.txt"
    first = run_study(make_plan(PLAN), model, folder)
    assert {f"training_novelty@{n}" for n in (1, 2, 3, 4)} <= set(first.values["measure"])
    assert any("hashed filter" in note and "0.38 %" in note for note in first.notes)
    [lacking] = [note for note in first.notes if "order of sentences" in note]
    assert lacking.endswith("(needs the model itself, to read the texts again, --reread).")
    leaks = first.values.filter(first.values["measure"] == "leak_mass").drop_nulls()
    assert leaks.height == 4, "one text of each prompt and temperature is read anyway"
    corpus.write_text(" ".join(completion.text for completion in first.completions), encoding="utf-8")
    written = (folder / "samples.jsonl").read_bytes()
    plan = make_plan(PLAN | {"grader": "contains", "corpus": str(corpus), "references": str(corpus), "reread": True})
    again = run_study(plan, model, folder)
    assert (folder / "samples.jsonl").read_bytes() == written
    assert again.completions == first.completions
    novelty = again.values.filter(again.values["measure"] == "training_novelty@1")["value"].drop_nulls()
    assert set(novelty) == {0.0}
    assert {"training_novelty@3", "copied_span", "leak_mass", "reference_distance"} <= set(again.values["measure"])
    assert "accuracy" in set(again.values["measure"])
    every = again.values.filter(again.values["measure"] == "leak_mass").drop_nulls()
    assert every.height == 8
    same = leaks.join(every, on=["prompt_id", "temperature", "sample"], suffix="_all")
    assert same["value"].to_list() == pytest.approx(same["value_all"].to_list())
    assert not any("order of sentences" in note for note in again.notes)
    # A report that is built again has neither corpus nor model, and says what they said.
    report = load_results(folder)
    assert report.notes == again.notes
    assert report.identities == again.identities
    assert sorted(report.values.rows(), key=str) == sorted(again.values.rows(), key=str)
    less = run_study(make_plan(PLAN), model, folder)
    assert less.values.filter(less.values["measure"] == "leak_mass").drop_nulls().height == 8, "what was read is kept"


def test_a_judge_is_asked_again_only_when_something_changed(model: OnnxModel, tmp_path: Path) -> None:
    judge, folder = Rater(), tmp_path / "run"
    plan = make_plan(PLAN | {"judge": "rater"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempering.study.sources.load_model", lambda name: judge)
        results = run_study(plan, model, folder)
        asked = len(judge.asked)
        assert asked > 0
        assert results.identities["judge"] == "rater@0 at T=0"
        assert run_study(plan, model, folder).values.equals(results.values)
        assert len(judge.asked) == asked
        run_study(make_plan(PLAN | {"judge": "rater", "judge_temperature": 0.5}), model, folder)
        assert len(judge.asked) == 2 * asked
    report = load_results(folder)
    assert any(note.startswith("Judge: rater@0 at T=0.5") for note in report.notes)
    assert "judged_coherence" in set(report.values["measure"])


@pytest.mark.parametrize(
    ("grader", "message"), [("number", "expected answers that are numbers"), ("regex", "no pattern")]
)
def test_answers_that_cannot_be_compared_are_said_at_once(model: OnnxModel, grader: str, message: str) -> None:
    prompts = [{"id": "p", "text": "Once", "expected": "(time"}]
    with pytest.raises(UsageError, match=message):
        sources_of(make_plan({"prompts": prompts, "grader": grader}), model)


def test_what_a_server_does_not_give_is_said(tmp_path: Path) -> None:
    results = run_study(make_plan(PLAN | {"samples": 1}), Rater(), tmp_path / "run")
    said = " ".join(results.notes)
    assert "Mass on tokens that are unlikely at T=1" in said
    assert "along the texts, which a server does not give" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("国王拥有他想要的一切,但是他不快乐。", "Words: texts in Chinese are written without spaces"),
        ("Der Fuchs ist nicht zu Hause und die Frau war mit dem Kind in der Stadt.", "these are in German"),
        ("for i in x:\n    if not a[i] and b[i] == 0:\n        return (i, x)", "these are in program code"),
        ("", "these are in a language that is not recognised"),
    ],
)
def test_another_language_is_said(text: str, said: str, tmp_path: Path) -> None:
    results = run_study(make_plan(PLAN | {"samples": 1}), Rater(text), tmp_path / "run")
    assert any(said in note for note in results.notes)
    assert "connectives" not in set(results.values["measure"])


def test_a_server_cannot_read_its_texts_again(tmp_path: Path) -> None:
    with pytest.raises(NoLogitsError, match="full logits"):
        sources_of(make_plan({"reread": True}), Rater())


class Rater:
    """A text model that answers 3, or what it is told to."""

    info = TextInfo("rater", "rater@0", {})

    def __init__(self, answer: str = "3") -> None:
        self.answer, self.asked = answer, list[TextRequest]()

    def write(
        self, requests: Iterable[TextRequest], *, on_text: Callable[[int, str], None] | None = None
    ) -> Iterator[tuple[int, Answer]]:
        for index, request in enumerate(requests):
            self.asked.append(request)
            yield index, Answer(self.answer, "stop", Served())
