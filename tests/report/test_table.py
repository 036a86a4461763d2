"""The terminal table fits a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from tempering.report.table import results_table
from tempering.study.results import StudyResults


def test_a_row_a_temperature_within_eighty_columns(results: StudyResults, holes: StudyResults) -> None:
    for shown in (results, holes):
        out = io.StringIO()
        Console(file=out, width=80).print(results_table(shown))
        lines = [line for line in out.getvalue().splitlines() if line.strip()]
        assert max(map(len, lines)) <= 80
        starts = [line.split()[0] for line in lines]
        assert [t for t in starts if t in {"0", "0.8", "1.6", "∞"}] == ["0", "0.8", "1.6", "∞"]
    assert "n = 6 texts of 3 prompts" in out.getvalue()
