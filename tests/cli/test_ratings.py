"""``tempering study --rate`` and ``--ratings`` as a user meets them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tempering.models.onnx import OnnxModel
from tempering.study.plan import make_plan
from tempering.study.run import run_study


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tempering", *arguments], capture_output=True, text=True, check=False, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def folder(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ratings") / "run"
    prompts = ["Once upon a time", "The dragon", "Tom", "The sea"]
    run_study(
        make_plan({"prompts": prompts, "temperatures": [0, 0.8, 1.6], "samples": 2, "max_tokens": 12}), model, folder
    )
    return folder


def test_from_sheet_to_findings(folder: Path) -> None:
    done = run("study", "--rate", str(folder), "--seed", "3", "--json")
    assert done.returncode == 0, done.stderr
    sheet = Path(json.loads(done.stdout)["sheet"])
    assert sheet.name == "rating_sheet_3.csv"
    assert run("study", "--rate", str(folder), "--seed", "3").returncode == 2

    with sheet.open(encoding="utf-8-sig", newline="") as stream:
        heading, *rows = csv.reader(stream)
    for rater in ("ann", "ben"):
        with (folder / f"{rater}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(heading)
            for place, row in enumerate(rows):
                writer.writerow([*row[:5], 1 + place % 5, 1 + (place * 7) % 4, 3 + (rater == "ann"), 2.5])
    files = [word for rater in ("ann", "ben") for word in ("--ratings", str(folder / f"{rater}.csv"))]
    done = run("study", *files, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record == json.loads((folder / "ratings.json").read_text(encoding="utf-8"))
    assert record["raters"] == 2
    assert record["ratings"] == 2 * len(rows)
    shown = run("study", *files)
    assert "novelty: no detectable effect" in shown.stdout or "novelty: " in shown.stdout
    assert "coherence: no slope can be estimated" in shown.stdout


def test_wrong_sheets_and_options_are_lines(folder: Path, tmp_path: Path) -> None:
    bad = folder / "bad.csv"
    bad.write_text("id,novelty,typicality,cohesion,coherence\nx,1,2,3,4\ny,9,2,3,4\n", encoding="utf-8")
    done = run("study", "--ratings", str(bad))
    assert done.returncode == 2
    assert "row 2: no text" in done.stderr
    assert "row 3: novelty must be a number from 1 to 5" in done.stderr
    assert "Traceback" not in done.stderr
    for options in (["--rate", str(folder), "--ratings", str(bad)], ["--rate", str(folder), "--model", "x"]):
        done = run("study", *options)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
    assert run("study", "--rate", str(folder / "nothing")).returncode == 4
    moved = tmp_path / "bad.csv"
    moved.write_bytes(bad.read_bytes())
    assert "name it with --out" in run("study", "--ratings", str(moved)).stderr
    assert "row 2: no text" in run("study", "--ratings", str(moved), "--out", str(folder)).stderr
