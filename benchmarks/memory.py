"""How much memory a study takes while it generates, and while it analyses. Run: ``python benchmarks/memory.py``.

Each size runs in a process of its own. The model is a table of 60 characters, so that the time goes into what is
measured: requests, completions and the store. What is printed is the largest resident size of each phase over that
before the phase, in MB.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tempering.errors import PromptError
from tempering.models.base import ModelInfo, Prefix
from tempering.study.analysis import load_results
from tempering.study.manifest import RunManifest
from tempering.study.plan import make_plan
from tempering.study.run import _generate_missing
from tempering.study.store import open_store

SIGNS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,;:!?"
TEMPERATURES, LIMIT = 10, 100
SIZES = (10, 100, 1000)
"""Samples of each temperature."""


class Table:
    """A model that knows which character follows which; a ``LogitsModel`` and its own batch."""

    def __init__(self) -> None:
        self.logits = np.random.default_rng(0).normal(size=(len(SIGNS), len(SIGNS))).astype(np.float32)
        self.info = ModelInfo("table", "table@1", len(SIGNS), 4096, (), {})

    def encode(self, text: str) -> list[int]:
        return [SIGNS.index(sign) for sign in text if sign in SIGNS]

    def decode(self, tokens: tuple[int, ...]) -> str:
        return "".join(SIGNS[token] for token in tokens)

    def score(self, tokens: list[int]) -> np.ndarray:
        if not 0 < len(tokens) <= self.info.context:
            raise PromptError("the prompt is empty or longer than the context")
        return self.logits[list(tokens)]

    def prefill(self, tokens: list[int]) -> Prefix:
        return Prefix(tuple(tokens), self.score(tokens)[-1], None)

    def batch(self, size: int) -> Table:  # noqa: ARG002
        return self

    def place(self, row: int, prefix: Prefix) -> None:
        pass

    def copy(self, source: int, target: int) -> None:
        pass

    def step(self, tokens: np.ndarray) -> np.ndarray:
        return self.logits[tokens]


def resident(word: str) -> float:
    """Return a line of the kernel's account of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) / 1024


def phase() -> float:
    """Begin to count the largest resident size anew; return the size now."""
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def one(samples: int, folder: Path) -> None:
    grid = [0.2 * step for step in range(TEMPERATURES)]
    plan = make_plan({"prompts": ["Once"], "temperatures": grid, "samples": samples, "max_tokens": LIMIT})
    with open_store(folder, plan, RunManifest(model="table@1")) as store:
        before = phase()
        _generate_missing(store, Table(), None)
        generating = resident("VmHWM") - before
    size = (folder / "samples.jsonl").stat().st_size / 2**20
    (folder / "next_token.json").write_text("null\n")
    before = phase()
    load_results(folder)
    analysing = resident("VmHWM") - before
    count = samples * TEMPERATURES
    print(f"{count:>7} samples ({size:7.1f} MB stored): {generating:6.1f} MB generating, {analysing:7.1f} MB analysing")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        one(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        for size in SIZES:
            with tempfile.TemporaryDirectory() as where:
                subprocess.run([sys.executable, __file__, str(size), f"{where}/run"], check=True)
