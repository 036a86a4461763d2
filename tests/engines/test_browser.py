"""The report in a real browser: it renders, and its policy blocks nothing that it needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tempering.models.onnx import OnnxModel
from tempering.report.page import build_report
from tempering.study.plan import make_plan
from tempering.study.run import run_study

pytestmark = pytest.mark.engine("chromium")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--hide-scrollbars",
]


def test_the_report_renders_without_complaint(model: OnnxModel, tmp_path: Path) -> None:
    plan = make_plan({"prompts": ["Once upon a time"], "temperatures": [0, 1], "samples": 2, "max_tokens": 150})
    page = tmp_path / "report.html"
    results = run_study(plan, model, tmp_path / "run")
    page.write_text(build_report(results), encoding="utf-8")
    shot = tmp_path / "shot.png"
    program = shutil.which("chromium")
    assert program
    command = [program, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,1200"]
    done = subprocess.run(
        [*command, f"--screenshot={shot}", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert "Content Security Policy" not in done.stderr
    assert "CONSOLE" not in done.stderr
    assert shot.stat().st_size > 20_000, "more than an empty page"
    dom = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    assert dom.stdout.count("<svg") == len(set(results.estimates["measure"])) + 4
