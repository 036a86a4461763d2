"""What forks and readings cost, as ratios within one run. Run: ``python benchmarks/forks.py``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from unittest import mock

import numpy as np

from tempering import Request, SamplingParams, draw, fork_tree, load_model, read_temperature
from tempering.generation.coupled import Sharing, bundles, generate_coupled
from tempering.generation.decode import generate
from tempering.sampling.temperatures import envelope_of
from tempering.study.prompts import STORY_OPENINGS
from tempering.thermometer import likelihood
from tempering.thermometer.likelihood import Tokens


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def envelope_against_draw() -> None:
    for vocabulary in (4096, 128_256):
        z = (np.random.default_rng(0).normal(size=vocabulary) * 3).astype(np.float32)
        draw(z, seed=1), envelope_of(z, 2.0, seed=1)
        plain = seconds(lambda z=z: draw(z, seed=1), 15)  # type: ignore[misc]
        both = seconds(lambda z=z: envelope_of(z, 2.0, seed=1), 15)  # type: ignore[misc]
        print(f"envelope with its noise, vocabulary {vocabulary}: {both / plain:.2f} plain draws")


def tree_against_separate_texts() -> None:
    model = load_model("embedded")
    grids = {"0 to 2, 7 temperatures": np.linspace(0, 2, 7), "0.5 to 1 in steps of .05": np.arange(0.5, 1.001, 0.05)}
    for name, grid in grids.items():
        for length in (25, 200):
            shared = separate = 0
            for prompt_id, prompt in STORY_OPENINGS:
                request = Request(prompt, SamplingParams(seed=1), 0, prompt_id, length)
                tree = fork_tree(model, request, highest=2.0, grid=grid.tolist(), max_branches=16)
                shared += tree.steps
                separate += sum(len(tree.tokens_at(t)) for t in grid.tolist())
            print(f"{name}, {length} tokens: {separate / shared:.2f} x fewer model steps than text by text (8 prompts)")


def coupled_against_plain() -> None:
    model = load_model("embedded")
    grids = {"0 to 2, 7 temperatures": np.linspace(0, 2, 7), "0.5 to 1 in steps of .05": np.arange(0.5, 1.001, 0.05)}
    for name, grid in grids.items():
        asked = [
            Request(prompt, SamplingParams(temperature=t, seed=1), sample, prompt_id, 25)
            for t in grid.tolist()
            for prompt_id, prompt in STORY_OPENINGS
            for sample in range(2)
        ]
        counted = Sharing()
        plain = seconds(lambda asked=asked: list(generate(model, asked)), 3)  # type: ignore[misc]
        coupled = seconds(lambda a=asked, c=counted: list(generate_coupled(model, bundles(a), sharing=c)), 3)  # type: ignore[misc]
        print(f"coupled, {name}, 25 tokens: {counted.ratio:.2f} x fewer steps, {plain / coupled:.2f} x the speed")


def reading_against_forward() -> None:
    model = load_model("embedded")
    ids = model.encode(" ".join(text for _, text in STORY_OPENINGS) * 6)[:500]
    logits = model.score(ids)[:-1]
    for name, worth in (("plain", math.inf), ("compiled", 0)):
        with mock.patch.object(likelihood, "WORTH_COMPILING", worth):
            read_temperature(Tokens.of(logits, np.array(ids[1:])))
            forward = seconds(lambda: model.score(ids), 5)
            reading = seconds(lambda: read_temperature(Tokens.of(logits, np.array(ids[1:]))), 5)
        nanoseconds = reading / logits.size * 1e9
        print(f"reading 499 tokens, {name}: {reading / forward:.2f} forward passes more, {nanoseconds:.0f} ns a logit")


if __name__ == "__main__":
    envelope_against_draw()
    tree_against_separate_texts()
    coupled_against_plain()
    reading_against_forward()
