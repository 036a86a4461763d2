"""The shape of the package: imports point one way, the surface is what it says, the start is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tempering

ROOT = Path(tempering.__file__).parent
WAY = [
    "errors",
    "_version",
    "orders",
    "params",
    "sampling",
    "adapters",
    "models",
    "generation",
    "measures",
    "statistics",
    "thermometer",
    "study",
    "tuning",
    "report",
    "web",
    "bench",
    "cli",
    "__main__",
    "testing",
]
HEAVY = {"numba", "onnxruntime", "tokenizers", "altair", "vl_convert", "scipy", "polars", "fastapi", "uvicorn", "torch"}


def _imports(path: Path) -> set[str]:
    """Return the packages of tempering that a file imports, also inside functions and under TYPE_CHECKING."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "tempering" else [f"tempering.{a.name}" for a in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("tempering.")}
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if here == "__init__":
        return  # the public surface names everything
    allowed = WAY[: WAY.index(here) + 1]
    assert _imports(path) & set(WAY) <= set(allowed)
    assert path.read_text(encoding="utf-8").startswith('"""'), "a module begins by saying what it knows"


def test_public_names_are_sorted_and_exist() -> None:
    names = [name for name in tempering.__all__ if not name.startswith("_")]
    assert names == sorted(names, key=lambda name: (name.islower(), name))
    for name in tempering.__all__:
        assert getattr(tempering, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tempering.nothing  # noqa: B018


@pytest.mark.parametrize("code", ["import tempering", "import tempering; tempering.SamplingParams()"])
def test_light_start(code: str) -> None:
    report = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not HEAVY & {name.split(".")[0] for name in report.stdout.split()}
