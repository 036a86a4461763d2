"""``serve`` and ``explore``: what they refuse before they load a model, and the light start of the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tempering", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "--order", "x"), "order must be one of"),
        (("explore", "--order", "x"), "order must be one of"),
        (("serve", "--host", "0.0.0.0"), "or say --insecure to go without"),
        (("explore", "--host", "192.0.2.1"), "lets other machines in"),
        (("serve", "--chat-template", "/no/such.jinja"), "cannot read the chat template"),
        (("serve", "--batch", "0"), "--batch"),
        (("serve", "--port", "70000"), "--port"),
    ],
)
def test_what_is_refused_in_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = program(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_an_unknown_model_is_a_model_error() -> None:
    done = program("serve", "--port", "0", "--model", "nothing")
    assert done.returncode == 3
    assert "unknown model 'nothing'" in done.stderr


def test_the_page_ships_with_the_package(repository: Path) -> None:
    static = repository / "src/tempering/web/static"
    assert {path.suffix for path in static.iterdir()} == {".html", ".css", ".js", ".svg"}
    assert sum(path.stat().st_size for path in static.iterdir()) < 150_000, "small: no library is bundled"
