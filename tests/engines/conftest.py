"""The shipped weights in the layout of transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tempering.models.embedded import WEIGHTS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    out = tmp_path_factory.mktemp("transformers")
    script = repository / "training" / "to_transformers.py"
    subprocess.run([sys.executable, str(script), "--model", str(WEIGHTS), "--out", str(out)], check=True)
    return out
