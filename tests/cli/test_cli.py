"""The program as a user meets it: results on stdout, one line on stderr for an error, documented exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempering.params import ORDERS

HEAVY = {"numba", "onnxruntime", "tokenizers", "altair", "vl_convert", "scipy", "polars", "fastapi", "uvicorn", "torch"}
PROGRAM = [sys.executable, "-m", "tempering"]


def run(*arguments: str, stdin: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin or "",
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        encoding="utf-8",
    )


SMALL = ["--prompt", "Tom", "--prompt", "The sea", "-T", "0,1", "-n", "2", "--max-tokens", "60"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = run("study", *SMALL, "--out", str(folder))
    assert done.returncode == 0, done.stderr
    assert "T=0" in done.stdout or " 0 " in done.stdout
    assert f"report: {folder / 'report.html'}" in done.stderr
    assert "100%" in done.stderr
    return folder


def test_help_is_light_and_names_the_exit_codes() -> None:
    code = (
        "import sys; sys.argv = ['tempering', '--help']\n"
        "from tempering.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "130" in done.stdout
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "0"
    assert not HEAVY & {name.split(".")[0] for name in last[1:]}


def test_version() -> None:
    assert run("--version").stdout.startswith("tempering 0.")


def test_generate_is_repeatable_and_json_holds_everything() -> None:
    arguments = [
        "generate",
        "Once upon a time",
        "-T",
        "0.8",
        "--top-p",
        "0.95",
        "-n",
        "3",
        "--max-tokens",
        "12",
        "--seed",
        "7",
    ]
    plain, again, as_json = run(*arguments), run(*arguments), run(*arguments, "--json")
    assert plain.stdout == again.stdout
    assert plain.stderr == ""
    record = json.loads(as_json.stdout)
    assert record["prompt"] == "Once upon a time"
    assert len(record["completions"]) == 3
    for index, completion in enumerate(record["completions"]):
        assert completion["sample"] == index
        assert completion["params"]["order"] == "transformers"
        assert completion["params"]["seed"] == 7
        assert len(completion["tokens"]) == len(completion["raw_logprobs"]) == len(completion["processed_logprobs"])
        assert f"Once upon a time{completion['text']}" in plain.stdout
    streamed = run(*arguments, "--stream")
    assert streamed.stdout == plain.stdout


def test_prompts_come_from_argument_file_or_stdin(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("Once upon a time\n")
    rest = ["--max-tokens", "5", "-T", "0"]
    texts = {
        run("generate", "Once upon a time", *rest).stdout,
        run("generate", "--prompt-file", str(file), *rest).stdout,
        run("generate", *rest, stdin="Once upon a time\n").stdout,
        run("generate", "-", *rest, stdin="Once upon a time").stdout,
    }
    assert len(texts) == 1


BAD = [
    (["generate", "a", "-T", "-1"], 2, "temperature must be in [0, inf], got -1.0"),
    (["generate", "a", "-T", "nan"], 2, "temperature must be a number"),
    (["generate", "a", "-T", "abc"], 2, "--temperature"),
    (["generate", "a", "--top-p", "0"], 2, "top_p must be in (0, 1], got 0.0"),
    (["generate", "a", "-n", "0"], 2, "--samples"),
    (["generate", "a", "--seed", "-1"], 2, "seed must be in [0, 2**64)"),
    (["generate", "a", "--order", "top_q,temperature"], 2, "order has no step 'top_q'"),
    (["generate", ""], 2, "the prompt is empty"),
    (["generate", "  \n"], 2, "the prompt is empty"),
    (["generate", "a", "--prompt-file", "x"], 2, "not both"),
    (["generate", "--prompt-file", "/nonexistent/p.txt"], 2, "cannot read /nonexistent/p.txt: No such file"),
    (["generate", "word " * 600], 2, "the context of embedded holds 512"),
    (["generate", "a", "--stream", "--json"], 2, "cannot be used together"),
    (["generate", "a", "--model", "nope"], 3, "unknown model 'nope'"),
    (["generate", "a", "--model", "onnx:/nonexistent"], 3, "cannot read /nonexistent/model.onnx"),
    (["fork", "a", "--top-p", "0.9"], 2, "top_p after temperature keeps another set at every T"),
    (["fork", "a", "--highest", "inf"], 2, "highest must be finite"),
    (["fork", "a", "--grid", "x"], 2, "temperatures must be numbers"),
    (["orders", "a", "--to", "nonsense"], 2, "order must be one of"),
    (["orders", "a", "-T", "-1"], 2, "temperature must be in"),
    (["read", ""], 2, "the text is empty"),
    (["read", "a", "--model", "nope"], 3, "unknown model"),
    (["read", "word " * 600], 2, "the context of embedded holds 512"),
    (["nonsense"], 2, "nonsense"),
    (["study", "--samples", "0"], 2, "samples: input should be greater than or equal to 1"),
    (["study", "-T", "abc"], 2, "temperatures must be numbers"),
    (["study", "-T", "-1"], 2, "temperature must be in [0, inf], got -1"),
    (["study", "--prompts", "/nonexistent"], 2, "cannot read /nonexistent: No such file"),
    (["study", "/nonexistent.yaml"], 2, "cannot read /nonexistent.yaml"),
    (["study", "--prompt", "a", "--prompts", "b"], 2, "not both"),
    (["study", "--prompt", ""], 2, "prompts"),
    (["study", "--prompt", "word " * 600], 2, "context of embedded"),
    (["study", "--model", "nope"], 3, "unknown model"),
    (["study", "--out", "/proc/nowhere/run"], 4, "cannot write /proc/nowhere/run"),
    (["study", "--out", "/usr"], 4, "not a run folder"),
    (["report", "/nonexistent"], 4, "not a run folder"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=[" ".join(a)[:40] for a, _, _ in BAD])
def test_bad_input_is_one_line_and_a_code(arguments: list[str], code: int, message: str, tmp_path: Path) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


def test_debug_shows_the_traceback() -> None:
    done = run("--debug", "generate", "a", "-T", "-1")
    assert "Traceback" in done.stderr
    assert "ParameterError" in done.stderr


def test_a_study_leaves_its_files_and_says_when_it_is_complete(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()} - {".lock"}
    expected = {"run.json", "samples.jsonl", "next_token.json", "samples.parquet", "measures.parquet"}
    made = {"audit.json", "between.json", "sources.json", "thermodynamics.json", "estimates.json", "report.html"}
    assert names == expected | made
    before = (finished / "samples.jsonl").read_bytes()
    again = run("study", *SMALL, "--out", str(finished))
    assert "is complete: nothing was left to generate" in again.stderr
    assert (finished / "samples.jsonl").read_bytes() == before


def test_json_and_quiet(finished: Path) -> None:
    done = run("study", *SMALL, "--out", str(finished), "--json", "--quiet")
    assert json.loads(done.stdout)["estimates"]
    assert "generating" not in done.stderr


def test_report_is_built_again(finished: Path, tmp_path: Path) -> None:
    page = finished / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert run("report", str(finished)).stdout.strip() == str(page)
    assert page.read_bytes() == before
    assert run("report", str(finished), "--out", str(tmp_path / "x.html")).returncode == 0
    assert (tmp_path / "x.html").read_bytes() == before
    record = json.loads(run("report", str(finished), "--json").stdout)
    assert record == {"report": str(page), "samples": 8, "planned": 8, "figures": []}


def test_a_changed_plan_is_refused_in_words(finished: Path) -> None:
    done = run("study", *SMALL, "--seed", "5", "--out", str(finished))
    assert done.returncode == 2
    assert "another plan (seed)" in done.stderr


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = run("study", "--dry-run", cwd=tmp_path)
    assert "80 (8 prompts x 10 temperatures)" in done.stdout
    assert "38,400" in done.stdout
    assert list(tmp_path.iterdir()) == []
    record = json.loads(run("study", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert record["samples"] == 240
    assert record["seconds"] > 0


def test_flags_win_over_the_plan_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "temperatures: 0:1:0.5\nsamples: 2\nprompts: [One]\nparams: {top_p: 0.9, top_k: 5}\n"
    )
    done = run("study", "mine.yaml", "--samples", "4", "--top-k", "7", "--dry-run", "--json", cwd=tmp_path)
    plan = json.loads(done.stdout)["plan"]
    assert plan["samples"] == 4
    assert plan["temperatures"] == [0, 0.5, 1]
    assert plan["params"] == {"top_p": 0.9, "top_k": 7}
    assert json.loads(done.stdout)["folder"] == "runs/mine"


def test_a_fork_tree_is_drawn_and_agrees_with_generate() -> None:
    arguments = ["Once upon a time", "--max-tokens", "10", "--seed", "4"]
    drawn = run("fork", *arguments, "--highest", "1.2")
    assert drawn.stdout.startswith("Once upon a time")
    assert "T 0.000 to " in drawn.stdout
    assert "model steps; one by one they need" in drawn.stderr
    tree = json.loads(run("fork", *arguments, "--grid", "0,0.7", "--json").stdout)
    plain = json.loads(run("generate", *arguments, "-T", "0.7", "--json").stdout)["completions"][0]
    leaf = next(b for b in tree["branches"] if b["low"] < 0.7 <= b["high"] and b["end"] in {"length", "stop"})
    tokens, parent = leaf["tokens"], leaf["parent"]
    while parent is not None:
        tokens, parent = tree["branches"][parent]["tokens"] + tokens, tree["branches"][parent]["parent"]
    assert tokens == plain["tokens"]


def test_read_says_temperature_interval_and_n(tmp_path: Path) -> None:
    made = run("generate", "Once upon a time", "-T", "0", "--max-tokens", "40").stdout
    file = tmp_path / "text.txt"
    file.write_text(made)
    words = run("read", "--text-file", str(file)).stdout
    assert re.match(
        r"T = \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\] \(95% profile-likelihood interval, n = \d+ tokens\)", words
    )
    record = json.loads(run("read", made, "--json").stdout)
    assert record["low"] <= record["temperature"] <= record["high"] < 1
    assert len(record["curve"]) == 60
    greedy = run("read", made.removeprefix("Once upon a time").rstrip("\n"), "--prompt", "Once upon a time").stdout
    assert greedy.startswith("T = 0.000 [0.000, ")
    assert "impossible under these settings" in run("read", "zebra quantum", "--top-k", "2").stdout
    assert "kept set moves with T" in run("read", made, "--min-p", "0.000001").stdout
    assert json.loads(run("read", made, "--top-k", "2", "--json").stdout)["impossible"] is not None


def test_orders_are_shown_and_translated() -> None:
    arguments = ["orders", "Once upon a time, there was a", "-T", "2", "--min-p", "0.1"]
    shown = run(*arguments, "--to", "llama.cpp").stdout
    assert "equivalent T" in shown
    assert "as llama.cpp: temperature 2, min_p 0.01, order llama.cpp" in shown
    assert "the same distribution on all logits; 0.0000 of the probability moves" in shown
    record = json.loads(run(*arguments, "--to", "vllm", "--json").stdout)
    assert [row["order"] for row in record["orders"]] == list(ORDERS)
    assert record["translation"]["exact"]


def test_models_are_listed() -> None:
    assert "embedded" in run("models").stdout
    assert {"name", "what", "install"} == set(json.loads(run("models", "--json").stdout)[0])


def test_ctrl_c_keeps_what_is_there_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [
        *PROGRAM,
        "study",
        "--prompt",
        "Tom",
        "-T",
        "0:2:0.1",
        "-n",
        "200",  # far from its end when it is stopped, on a slow machine too
        "--max-tokens",
        "20",
        "--out",
        str(folder),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    samples = folder / "samples.jsonl"
    deadline = time.monotonic() + 120
    while not (samples.exists() and samples.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "the same command goes on" in errors.splitlines()[-1]
    assert samples.read_bytes().endswith(b"\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m tempering generate 'Once upon a time' -n 60 --max-tokens 30 | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "Once upon "
    assert "Traceback" not in done.stderr


def test_a_terminal_gets_a_bar_and_no_control_characters_of_the_model(tmp_path: Path) -> None:
    """Under a pseudo-terminal: the bar is drawn, and escape characters of a prompt do not reach the terminal."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "generate", "a \x1b]0;owned\x07 b", "--max-tokens", "3", "-T", "0"],
        stdout=child,
        stderr=child,
        stdin=child,
    )
    out = _drain(process, parent, child)
    assert b"\x1b]0;" not in out
    assert b"]0;owned" in out
    parent, child = pty.openpty()
    folder = str(tmp_path / "run")
    process = subprocess.Popen([*PROGRAM, "study", *SMALL, "--out", folder], stdout=child, stderr=child, stdin=child)
    assert b"samples" in _drain(process, parent, child)


def _drain(process: subprocess.Popen[bytes], parent: int, child: int) -> bytes:
    os.close(child)
    out = b""
    try:
        while piece := os.read(parent, 4096):
            out += piece
    except OSError:  # the other end has closed
        pass
    process.wait()
    os.close(parent)
    return out


def test_presets_are_listed_and_planned() -> None:
    shown = run("study", "--preset", "list").stdout
    assert "peeperkorn-2024" in shown
    assert "arXiv 2405.00492" in shown
    assert {item["name"] for item in json.loads(run("study", "--preset", "list", "--json").stdout)} >= {"turn-2025"}
    small = ["-n", "1", "-T", "1,2", "--max-tokens", "9"]
    record = json.loads(run("study", "--preset", "peeperkorn-2024", *small, "--dry-run", "--json").stdout)
    assert list(record) == ["as-published", "temperature-alone"]
    assert record["as-published"]["folder"] == "runs/peeperkorn-2024/as-published"
    assert record["as-published"]["audit"][0].startswith("Temperature is capped: top_k 50 and min_p 0.05")
    for arguments, message in (
        (["--preset", "nope"], "preset must be one of"),
        (["--preset", "renze-2024"], "needs --prompts FILE"),
        (["--against", "0.33", *SMALL], "against must be a temperature of the study"),
        (["--margin", "tokens", *SMALL], "margin must be MEASURE=VALUE"),
    ):
        done = run("study", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_figures_and_the_reference_of_a_report(finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(
        "report", str(finished), "--out", str(page), "--figures", "--against", "0", "--margin", "tokens=1e6", "--json"
    )
    record = json.loads(done.stdout)
    assert {Path(path).suffix for path in record["figures"]} == {".svg", ".png"}
    assert all(Path(path).stat().st_size for path in record["figures"])
    text = page.read_text()
    assert "against T = 0" in text
    assert '"margin":1000000.0' in text
    assert "tempering study --prompt Tom" in text, "the command as it was typed"
