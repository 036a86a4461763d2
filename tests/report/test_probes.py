"""The probe of a server in the report: its answers, and hostile words of a server."""

from __future__ import annotations

from dataclasses import replace

from tempering.report.page import build_report
from tempering.report.probes import probe_box
from tempering.study.findings import Finding, Probe
from tempering.study.results import StudyResults

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
PROBE = Probe(
    "m", HOSTILE, "x", (Finding("temperature_acts", "Does T act?", "yes", f"yes: 12 of 12. {HOSTILE}", {}),), 12
)


def test_every_answer_is_told_and_nothing_of_it_is_run() -> None:
    box = probe_box(PROBE.as_dict())
    assert "Does T act?" in box
    assert "yes: 12 of 12" in box
    assert "with 12 texts" in box
    assert "<script" not in box
    assert "<img" not in box


def test_a_study_of_a_server_shows_its_probe(results: StudyResults) -> None:
    heading = "The server: what it does"
    assert heading not in build_report(results)
    manifest = results.manifest.model_copy(update={"probe": PROBE.as_dict()})
    assert heading in build_report(replace(results, manifest=manifest))
