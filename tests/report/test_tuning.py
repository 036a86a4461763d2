"""The recommendation's page and table: everything said, everything harmless, the same bytes for the same answer."""

from __future__ import annotations

import json
import re

import pytest

from tempering.report.tuning import build_tuning_page, curve_in_words
from tempering.report.tuning_table import answer_table
from tempering.testing.tuning import KNOWN_TASKS, KnownEvaluator
from tempering.tuning.answer import KINDS, Kind, Recommendation
from tempering.tuning.budget import read_budget
from tempering.tuning.plan import TunePlan
from tempering.tuning.run import recommend
from tempering.tuning.task import TuneTask


@pytest.fixture(scope="module")
def answer() -> Recommendation:
    task = next(task for task in KNOWN_TASKS if task.name == "floor")
    plan = TunePlan(TuneTask(), task.goal, read_budget("400", worst=60), seed=1)
    return recommend(plan, KnownEvaluator(task, seed=1), "known@0")


def test_the_page_says_what_the_answer_says(answer: Recommendation) -> None:
    page = build_tuning_page(answer, target="llama.cpp")
    assert answer.sentence in page
    assert "--temp" in page
    for row in answer.fresh:
        assert f"{row.estimate.n}" in page
    assert page.count("<svg") == 2
    assert "Bound: adjacent_overlap at least 0.6." in page
    assert page == build_tuning_page(answer, target="llama.cpp")
    data = re.search(r'id="data">(.*?)</script>', page)
    assert data
    assert json.loads(data[1])["kind"] == answer.kind


def test_figures_are_told_in_words(answer: Recommendation) -> None:
    words = curve_in_words(answer, "unique_word_share")
    assert words.startswith("Words found in no other story against temperature: ")
    assert "at T = 0, n =" in words


def test_text_from_elsewhere_is_escaped(answer: Recommendation) -> None:
    bad = "<script>alert(1)</script>\x1b[31m"
    page = build_tuning_page(answer.model_copy(update={"notes": (bad,), "model": bad, "task": bad, "sentence": bad}))
    assert "<script>alert" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_answer_has_a_page(answer: Recommendation, kind: Kind) -> None:
    bare = {"kind": kind, "low": None, "high": None, "fresh": (), "effect": None, "detectable": None}
    found = answer.model_copy(update=bare)
    assert KINDS[kind] in build_tuning_page(found)
    if kind == "fixed":
        found = found.model_copy(update={"params": None, "curves": ()})
        assert "<svg" not in build_tuning_page(found, target="vllm")


def test_the_table_marks_the_answer(answer: Recommendation) -> None:
    table = answer_table(answer)
    assert [str(column.header) for column in table.columns][2:] == [
        "Words found in no other story",
        "Words shared by adjacent sentences",
    ]
    marks = list(table.columns[1].cells)
    assert marks.count(" ●") == 1
    assert table.row_count <= 14
