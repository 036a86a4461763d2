"""The terminal table fits a terminal, and says which temperatures are capped."""

from __future__ import annotations

import io
from dataclasses import replace

import polars as pl
from rich.console import Console

from tempering.models.onnx import OnnxModel
from tempering.report.table import results_table
from tempering.study.audit import audit
from tempering.study.results import StudyResults
from tempering.study.steps import real_steps


def test_a_row_a_temperature_within_eighty_columns(results: StudyResults, holes: StudyResults) -> None:
    for shown in (results, holes):
        out = io.StringIO()
        Console(file=out, width=80).print(results_table(shown))
        lines = [line for line in out.getvalue().splitlines() if line.strip()]
        assert max(map(len, lines)) <= 80
        starts = [line.split()[0] for line in lines]
        assert [t for t in starts if t in {"0", "0.8", "1.6", "∞"}] == ["0", "0.8", "1.6", "∞"]
    assert "n = 6 texts of 3 prompts" in out.getvalue()


def test_columns_are_those_that_hold_a_number(results: StudyResults) -> None:
    estimates = results.estimates
    graded = estimates.filter(pl.col("measure") == "ended").with_columns(pl.lit("accuracy").alias("measure"))
    undefined = estimates.with_columns(pl.when(pl.col("measure") != "ended").then(pl.col("mean")).alias("mean"))
    for shown, right, ended in (
        (results, False, True),
        (replace(results, estimates=pl.concat([estimates, graded])), True, True),
        (replace(results, estimates=undefined), False, False),
    ):
        headings = {str(column.header) for column in results_table(shown).columns}
        assert ("right" in headings, "ended" in headings) == (right, ended)


def test_a_capped_temperature_has_a_star(results: StudyResults, model: OnnxModel) -> None:
    plan = results.plan.model_copy(update={"params": {"top_k": 20, "order": "llama.cpp"}})
    out = io.StringIO()
    capped = replace(results, audit=audit(real_steps(model, plan), plan))
    Console(file=out, width=80).print(results_table(capped))
    starts = [line.split()[0] for line in out.getvalue().splitlines() if line.strip()]
    assert "1.6*" in starts
    assert "0" in starts
    assert "* capped by other settings: T = 1.6 is as random as T = 0." in out.getvalue()
