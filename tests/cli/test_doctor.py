"""``tempering doctor`` as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys


def _doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tempering", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_answers_in_words_and_in_json() -> None:
    options = ["embedded", "--repeats", "6", "--max-tokens", "4"]
    words = _doctor(*options)
    assert words.returncode == 0, words.stderr
    assert "Is T = 0 greedy and repeatable?\n      yes, as far as seen: 12 of 12 texts agree" in words.stdout
    assert "(share [0.76, 1.00])" in words.stdout
    found = json.loads(_doctor(*options, "--json").stdout)
    keys = ["temperature_acts", "greedy_repeatable", "seed_holds", "noise_floor", "vocabulary", "chat", "context"]
    assert [finding["key"] for finding in found["findings"]] == [*keys, "batching_pays"]
    assert found["findings"][1]["evidence"]["n"] == 12


def test_what_cannot_be_asked_is_one_line() -> None:
    for arguments, code, said in (
        (["http://127.0.0.1:1/v1"], 3, "cannot be reached"),
        (["http://127.0.0.1:1"], 3, "cannot be reached"),
        (["nothing"], 3, "unknown model"),
        (["embedded", "--repeats", "1"], 2, "repeats"),
    ):
        done = _doctor(*arguments)
        assert done.returncode == code
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
