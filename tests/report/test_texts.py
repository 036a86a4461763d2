"""Texts side by side: what is shared is set apart, what is left out is said, a server's are not paired."""

from __future__ import annotations

import re
from dataclasses import replace

from tempering.models.base import Served
from tempering.report.methods import methods_text
from tempering.report.texts import texts
from tempering.study.results import StudyResults


def with_texts(results: StudyResults, *written: str) -> StudyResults:
    first = [c for c in results.completions if c.prompt_id == results.plan.prompts[0].id and c.sample == 0]
    changed = tuple(replace(c, text=text) for c, text in zip(first, written, strict=False))
    return replace(results, completions=changed)


def test_what_a_text_shares_with_its_neighbour_is_set_apart(results: StudyResults) -> None:
    page = texts(with_texts(results, " there was a cat.", " there was a dog.", " a <b>"))
    assert re.findall(r'<span class="same">([^<]*)</span>', page) == [" there was a ", " "]
    assert "a &lt;b&gt;" in page


def test_rows_that_are_left_out_are_counted(results: StudyResults) -> None:
    assert "4 more such rows are in the run folder" in texts(results, rows=2)
    assert "more such rows" not in texts(results)
    assert texts(results, rows=2).count("<details") == 2


def test_a_server_pairs_nothing(results: StudyResults) -> None:
    served = replace(results, completions=tuple(replace(c, served=Served()) for c in results.completions))
    assert "not paired" in methods_text(served)
    assert "noise of its own" in texts(served)
    assert "are paired" in methods_text(results)


def test_the_methods_name_every_number(results: StudyResults) -> None:
    said = methods_text(results)
    for part in (
        "2 texts for each of 3 prompts",
        "0, 0.8, 1.6, ∞",
        "up to 80 tokens",
        "seed 0",
        "no truncation",
        "Holm",
    ):
        assert part in said, part
