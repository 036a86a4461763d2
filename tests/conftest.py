"""What many tests share: the embedded model, and engines that may be missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from tempering.models.embedded import load
from tempering.models.onnx import OnnxModel

ENGINES = {
    "transformers": ("torch", "transformers", "safetensors", "onnx"),
    "llama_cpp": ("llama_cpp", "gguf", "onnx"),
    "torch": ("torch", "safetensors", "onnx"),
    "chromium": ("chromium",),
    "browser": ("chromium", "playwright", "axe_playwright_python"),
    "openai": ("openai",),
}
"""Engine marks and what each needs: Python modules, or a program on the path."""

REQUIRED = os.environ.get("TEMPERING_ENGINES") == "required"
PROGRAMS = {"chromium"}


@pytest.fixture(scope="session")
def model() -> OnnxModel:
    return load()


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).parents[1]


def _missing(engine: str) -> list[str]:
    return [
        need
        for need in ENGINES[engine]
        if (shutil.which(need) if need in PROGRAMS else importlib.util.find_spec(need)) is None
    ]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of an engine that is not there; under ``make test-engines`` they run, and fail without it."""
    for item in items:
        for mark in item.iter_markers("engine"):
            if (missing := _missing(mark.args[0])) and not REQUIRED:
                item.add_marker(pytest.mark.skip(reason=f"engine {mark.args[0]}: needs {', '.join(missing)}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List skipped engines in one line each, with what would run them."""
    skipped: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        skipped[reason] = skipped.get(reason, 0) + 1
    for reason, count in sorted(skipped.items()):
        how = "; `make test-engines` runs them" if reason.startswith("engine") else ""
        terminalreporter.write_line(f"skipped: {count} test(s), {reason}{how}")
