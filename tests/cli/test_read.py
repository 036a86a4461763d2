"""``tempering read`` of many texts and of a server, and what it says to wrong input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tempering import SamplingParams
from tempering.cli.main import app
from tempering.cli.report import setting_of
from tempering.errors import UsageError
from tempering.thermometer import audit
from tempering.thermometer.audit import AskedAndRead, Explanation, ServerAudit

PROGRAM = [sys.executable, "-m", "tempering", "read"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, input="")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    file = tmp_path / "texts.jsonl"
    lines = [{"prompt": "Once upon a time", "text": ", there was a little girl named Lily."}, {"text": "The dog ran."}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "\n")
    return file


def test_many_texts(texts: Path) -> None:
    words = run("--texts", str(texts)).stdout
    assert "gain over T = 1" in words
    assert "over 2 texts" in words
    assert "one T explains all: p =" in words
    record = json.loads(run("--texts", str(texts), "--json").stdout)
    assert record["reading"]["n"] == sum(text["n"] for text in record["texts"])
    assert record["reading"]["temperature"] < 1
    assert record["gain_bits_per_token"]["value"] > 0


def test_a_text_longer_than_the_context_is_read_in_stretches(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("Once upon a time there was a dog. " * 120 + "\n")
    record = json.loads(run("--texts", str(file), "--json").stdout)
    assert record["reading"]["n"] > 900
    assert record["gain_bits_per_token"]["low"] is None, "one text has no interval over texts"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--texts", "x"], "give one of: a text, --text-file, --texts, --server"),
        (["--texts", "/nonexistent"], "cannot read /nonexistent: No such file"),
        (["a", "-T", "1"], "--temperatures belongs to --server"),
        (["--texts", "x", "--top-k", "3"], "--texts reads without truncation"),
        (["--server", "http://127.0.0.1:9/v1#m", "-T", "x"], "temperatures must be numbers"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    for line in ("[1]", '{"text": 3}', '{"text": ""}', "{"):
        file.write_text(f'{{"text": "a"}}\n{line}\n')
        assert "line 2: expected an object with 'text'" in run("--texts", str(file)).stderr


def test_an_audit_in_words_and_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the audit says is tested where it is made; here, how it is shown: tokens of a stranger made harmless."""
    rows = (
        AskedAndRead(0.0, 0.0, 0.0, 0.03, 90, 2, True),
        AskedAndRead(1.0, 0.8, 0.7, 0.9, 90, 2, False),
        AskedAndRead(2.0, float("nan"), float("nan"), float("nan"), 0, 0, None),
    )
    explanations = (
        Explanation("no truncation", SamplingParams(), -100.0, 0, None),
        Explanation("top_p=0.9 after T", SamplingParams(top_p=0.9), float("-inf"), 3, (1.0, 17, 300)),
    )
    found = ServerAudit("server\x1b[31m", "tempering-stories", rows, explanations)
    monkeypatch.setattr(audit, "audit_server", lambda *_, **__: found)
    words = CliRunner().invoke(app, ["read", "--server", "embedded", "-T", "0,1,2"]).stdout
    assert "0      0.000  [0.000, 0.030]      90  honoured" in words
    assert "[0.700, 0.900]      90  NOT honoured" in words
    assert "nothing can be told" in words
    assert "top_p=0.9 after T: impossible, 3 tokens lie outside the kept set, the first is token 17" in words
    assert "\x1b" not in words
    record = json.loads(CliRunner().invoke(app, ["read", "--server", "embedded", "--json"]).stdout)
    assert record["honoured"] is False
    assert record["explanations"][1]["log_likelihood"] == "-inf"
    assert record["rows"][2]["read"] is None


def test_automatic_temperatures_become_numbers_of_the_plan() -> None:
    done = subprocess.run(
        [*PROGRAM[:3], "study", "-T", "auto:4:1.2", "--prompt", "Tom", "--max-tokens", "8", "--dry-run", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    temperatures = json.loads(done.stdout)["plan"]["temperatures"]
    assert (len(temperatures), temperatures[0], temperatures[-1]) == (4, 0, 1.2)
    wrong = subprocess.run([*PROGRAM[:3], "study", "-T", "auto:1"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert "auto:COUNT" in wrong.stderr


def test_settings_of_a_report_are_read_by_name() -> None:
    assert setting_of("T=0.8, top_p=0.9") == SamplingParams(temperature=0.8, top_p=0.9)
    assert setting_of("top_k=5,order=llama.cpp").order == "llama.cpp"
    for wrong in ("0.8", "heat=1", "T="):
        with pytest.raises(UsageError, match="--at takes settings"):
            setting_of(wrong)
