"""tune, apply and check as a user meets them: results on stdout, one line for an error, exit codes for scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "tempering"]

TASK = """
name: words
goal: question-answering
grader: contains
max_tokens: 6
temperatures: 0:2:0.25
prompts:
  - {id: a, text: "Once upon a time, there was a little", expected: [girl, boy]}
  - {id: b, text: "Tom and Lily are friends. They like to", expected: play}
  - {id: c, text: "He was so happy that he gave his mom a big", expected: hug}
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments], input="", capture_output=True, text=True, cwd=cwd, check=False, encoding="utf-8"
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    (folder / "task.yaml").write_text(TASK)
    done = run("tune", "task.yaml", "--budget", "60", "--for", "transformers", "--export", "out.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "texts: best T" in done.stderr
    assert "report: runs/tune-words/tuning.html" in done.stderr
    assert "Right answers" in done.stdout
    return folder


def test_the_answer_is_a_file_a_page_and_json(place: Path) -> None:
    done = run("tune", "task.yaml", "--budget", "60", "--for", "transformers", "-q", "--json", cwd=place)
    answer = json.loads(done.stdout)
    stored = json.loads((place / "runs/tune-words/recommendation.json").read_text())
    assert answer["format"] == 1
    assert answer["params"]["order"] == "transformers"
    assert {k: v for k, v in answer.items() if k != "created"} == {k: v for k, v in stored.items() if k != "created"}
    assert (place / "runs/tune-words/tuning.html").read_text().startswith("<!doctype html>")
    assert done.stderr.splitlines() == ["report: runs/tune-words/tuning.html"]


def test_a_dry_run_spends_nothing(place: Path, tmp_path: Path) -> None:
    done = run("tune", str(place / "task.yaml"), "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["samples"] == 480
    assert "texts         at most 480" in run("tune", str(place / "task.yaml"), "--dry-run", cwd=tmp_path).stdout
    assert not list(tmp_path.iterdir())


def test_goals_are_shown(tmp_path: Path) -> None:
    assert "creative-writing" in run("tune", "--goals", cwd=tmp_path).stdout
    assert run("tune", "--goals", "--goal", "code", cwd=tmp_path).stdout.startswith("# Code")
    assert json.loads(run("tune", "--goals", "--json", cwd=tmp_path).stdout)["uncertainty"]["answer"] == "range"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.yaml"], "cannot read none.yaml"),
        (["task.yaml", "--budget", "5"], "too small for any answer"),
        (["task.yaml", "--budget", "5 money"], "needs --price"),
        (["task.yaml", "--export", "x"], "--export needs --for"),
        (["prompts.txt"], "which goal?"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(place: Path, arguments: list[str], said: str) -> None:
    (place / "prompts.txt").write_text("One\nTwo\n")
    done = run("tune", *arguments, cwd=place)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def value(place: Path, tmp_path: Path) -> Path:
    """A confirmed value, as a run with a larger budget gives it."""
    answer = json.loads((place / "runs/tune-words/recommendation.json").read_text())
    answer |= {"kind": "value", "confirmed": True, "low": 0.0, "high": 0.5}
    answer["params"]["temperature"] = 0.25
    path = tmp_path / "value.json"
    path.write_text(json.dumps(answer))
    return path


def test_apply_shows_writes_and_keeps(value: Path, tmp_path: Path) -> None:
    target = tmp_path / "generation_config.json"
    target.write_text('{"eos_token_id": 2, "temperature": 1.0}\n')
    unasked = run("apply", str(value), str(tmp_path), "--for", "transformers", cwd=tmp_path)
    assert unasked.returncode == 2
    assert "repeat with --yes" in unasked.stderr
    assert '+  "temperature": 0.25' in unasked.stdout
    done = run("apply", str(value), str(tmp_path), "--for", "transformers", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(target.read_text())["temperature"] == 0.25
    assert json.loads(target.read_text())["eos_token_id"] == 2
    assert "generation_config.json.bak" in done.stderr
    again = run("apply", str(value), str(tmp_path), "--for", "transformers", "--json", cwd=tmp_path)
    assert json.loads(again.stdout) == {"path": str(target), "changed": False, "backup": None}
    checked = run("check", str(target), "--for", "transformers", "--against", str(value), cwd=tmp_path)
    assert checked.returncode == 0


def test_what_was_not_confirmed_is_not_applied(value: Path, tmp_path: Path) -> None:
    answer = json.loads(value.read_text()) | {"confirmed": False, "kind": "no-effect"}
    value.write_text(json.dumps(answer))
    done = run("apply", str(value), "x.json", "--for", "json", "--yes", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing was confirmed" in done.stderr
    forced = run("apply", str(value), "x.json", "--for", "json", "--yes", "--anyway", cwd=tmp_path)
    assert forced.returncode == 0
    assert (tmp_path / "x.json").exists()


def test_check_has_exit_codes(value: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    answer = json.loads(value.read_text())
    for t, kind, code in ((0.25, "value", 0), (1.5, "value", 5), (1.5, "more-budget", 6), (1.5, "no-effect", 0)):
        old.write_text(json.dumps(answer | {"params": answer["params"] | {"temperature": t}}))
        value.write_text(json.dumps(answer | {"kind": kind}))
        done = run("check", str(old), "--against", str(value), "--json", cwd=tmp_path)
        assert done.returncode == code, (t, kind, done.stderr)
        assert json.loads(done.stdout)["temperature"] == t
    missing = run("check", str(old), "--against", "none.json", cwd=tmp_path)
    assert missing.returncode == 4
