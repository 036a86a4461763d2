"""When kernels are compiled, what is said meanwhile, and where they are kept; each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DRAW = (
    "import numpy as np, tempering; z = np.zeros(20000, np.float32); "
    "print(tempering.draw(z, tempering.SamplingParams(top_k=3)))"
)
LOADED = "; import sys; print('numba' in sys.modules)"


def run(code: str, cache: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)} | settings
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )


def test_kernels_are_compiled_once_with_one_line_and_kept(tmp_path: Path) -> None:
    first = run(DRAW, tmp_path)
    assert first.stderr.count("\n") == 1
    assert first.stderr.startswith("tempering: compiling its kernels")
    [folder] = tmp_path.glob("tempering/kernels-*")
    kept = {path.name for path in folder.rglob("*.nbi")}
    assert any(name.startswith("scan.scan32") for name in kept)
    assert not any(name.startswith("mass.") for name in kept), "nothing is compiled that is not used"
    second = run(DRAW, tmp_path)
    assert second.stderr == ""
    assert second.stdout == first.stdout


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(DRAW, blocked).stdout == run(DRAW, tmp_path, TEMPERING_KERNELS="off").stdout


def test_small_rows_and_the_switch_load_no_compiler(tmp_path: Path) -> None:
    assert run("import tempering; tempering.draw([0.0] * 4096)" + LOADED, tmp_path).stdout == "False\n"
    assert run(DRAW + LOADED, tmp_path, TEMPERING_KERNELS="off").stdout.endswith("False\n")
