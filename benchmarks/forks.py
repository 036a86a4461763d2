"""What forks and readings cost, as ratios within one run. Run: ``python benchmarks/forks.py [PART ...]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from tempering import Request, SamplingParams, draw, fork_tree, load_model, read_temperature
from tempering.generation.decode import Sharing, generate
from tempering.generation.request import coupled
from tempering.sampling import tilt
from tempering.sampling.temperatures import envelope_of
from tempering.study.prompts import STORY_OPENINGS
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
        counted, separate = Sharing(), Sharing()
        ways = [(asked, separate), (coupled(asked), counted)]
        pairs = [
            [spent(lambda way=way, told=told: list(generate(model, way, sharing=told))) for way, told in ways]
            for _ in range(3)
        ]
        (apart, apart_cpu), (shared, shared_cpu) = np.min(pairs, axis=0).tolist()
        print(
            f"coupled, {name}, 25 tokens: {counted.ratio:.2f} x fewer steps ({separate.ratio:.2f} x by temperature), "
            f"{apart / shared:.2f} x the speed, {apart_cpu / shared_cpu:.2f} x in processor time"
        )


LENGTH, DRAWN_AT, ROUNDS = 500, 0.8, 9


def reading_against_forward(name: str, score: Callable[[list[int]], NDArray[np.float32]], ids: list[int]) -> None:
    """Print what reading two texts costs beside the forward passes that they need: time, and time of processors."""
    generator, texts = np.random.default_rng(0), []
    for begin in (0, LENGTH):
        piece = ids[begin : begin + LENGTH]
        logits = score(piece)
        texts.append((piece, logits, (logits / DRAWN_AT + generator.gumbel(size=logits.shape)).argmax(axis=1)))

    def forward() -> None:
        for piece, _, _ in texts:
            score(piece)

    def reading() -> None:
        for _, logits, drawn in texts:
            read_temperature(Tokens.of(logits, drawn))

    for kind, there in (("plain", False), ("compiled", True)):
        with mock.patch.object(tilt, "compiled_pays", return_value=there):
            reading()
            pairs = [(spent(forward), spent(reading)) for _ in range(ROUNDS)]
        passes, readings = (np.min([pair[i] for pair in pairs], axis=0) for i in (0, 1))
        wall, cores = (readings / passes).tolist()
        print(
            f"reading {2 * LENGTH} tokens, {name}, {kind}: {wall:.1%} of the forward pass in time, {cores:.1%} in "
            f"processor time; {readings[0] / sum(z.size for _, z, _ in texts) * 1e9:.2f} ns a logit, forward pass "
            f"{passes[0] / LENGTH / 2 * 1e3:.2f} ms a token"
        )


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds and processor seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def reading_of_a_larger_model() -> None:
    """Read with the shape of GPT-2 small, 124 M parameters and 50,257 tokens, with random weights (needs torch)."""
    import torch  # noqa: PLC0415 - an optional package
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    torch.manual_seed(0)
    network = GPT2LMHeadModel(GPT2Config()).eval()
    network.transformer.ln_f.weight.data *= 12  # else the logits are flat

    def score(ids: list[int]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.tensor([ids]), use_cache=False).logits[0].numpy())

    reading_against_forward("124 M parameters", score, torch.randint(0, 50_257, (2 * LENGTH,)).tolist())


def reading_of_the_embedded_model() -> None:
    model = load_model("embedded")
    ids = model.encode(" ".join(text for _, text in STORY_OPENINGS) * 20)
    reading_against_forward("embedded", model.score, ids)


WORK = {
    "envelope": envelope_against_draw,
    "tree": tree_against_separate_texts,
    "coupled": coupled_against_plain,
    "reading": reading_of_the_embedded_model,
    "larger": reading_of_a_larger_model,
}

if __name__ == "__main__":
    for which in sys.argv[1:] or list(WORK):
        WORK[which]()
