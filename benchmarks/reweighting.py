"""Does reweighting cover where it answers? Known answers, then the embedded model against ten times the samples.

Run: ``python benchmarks/reweighting.py [known|embedded] [REPLICATES]``. The gate of ``statistics/reweighting.py`` was
chosen on tables like these; docs/temperature.md holds the last ones.
"""

from __future__ import annotations

import itertools
import sys
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tempering import Request, SamplingParams, load_model
from tempering.generation.decode import generate
from tempering.generation.prompts import read_prompt
from tempering.models.base import LogitsModel
from tempering.statistics.reweighting import GATE, Gate, reweight
from tempering.study.prompts import STORY_OPENINGS
from tempering.thermometer.reading import tokens_of_ids

Values = NDArray[np.float64]
GATES = {
    "chosen gate": GATE,
    "ESS of the weights alone >= 40": Gate(40.0, 1e-9, np.inf, np.inf),
    "Pareto k <= .7 alone": Gate(0.0, 1e-9, 0.7, np.inf),
    "no gate": Gate(0.0, 1e-9, np.inf, np.inf),
}
END = 0


def softmax(z: Values, t: float, top_k: int = 0) -> Values:
    """Return probabilities; with top-k the k largest logits of each row only."""
    if top_k:
        z = np.where(z >= np.sort(z, axis=-1)[..., [-top_k]], z, -np.inf)
    p = np.exp((z - z.max(axis=-1, keepdims=True)) / t)
    return p / p.sum(axis=-1, keepdims=True)


def chain(generator: np.random.Generator, prompts: int, markov: bool, size: int = 8) -> Values:
    """Return logits [prompts, state, token]; token 0 ends a text, the last state is the beginning."""
    z = generator.normal(size=(prompts, size + 1, size)) * 2
    z[..., END] -= 1
    return z if markov else np.repeat(z[:, :1], size + 1, axis=1)


def answers(z: Values, t: float, length: int, top_k: int) -> Values:
    """Return the exact means of the four values, over prompts."""
    p = softmax(z, t, top_k)
    now = p[:, -1].copy()
    found = np.zeros((len(z), 4))
    for step in range(length):
        if step:
            repeats = now * np.diagonal(p[:, :-1], axis1=1, axis2=2)
            found[:, 2] += repeats.sum(axis=1)
            now = np.einsum("ps,psv->pv", now, p[:, :-1])
        found[:, 3] += now[:, END]
        now[:, END] = 0
        found[:, 0] += now.sum(axis=1)
        found[:, 1] += now[:, 1]
    return found.mean(axis=0)


def texts(generator: np.random.Generator, z: Values, t: float, length: int, count: int) -> NDArray[np.int64]:
    """Return texts of one prompt, -1 after the end."""
    edges = np.cumsum(softmax(z, t), axis=1)
    edges[:, -1] = 1
    state, made = np.full(count, len(z) - 1), np.full((count, length), -1)
    for step in range(length):
        token = (generator.random(count)[:, None] > edges[state]).sum(axis=1)
        live = state != END if step else np.ones(count, dtype=bool)
        made[live, step] = token[live]
        state = np.where(live, token, state)
    return made


def texts_of_shared_noise(
    generator: np.random.Generator, z: Values, grid: tuple[float, ...], length: int, count: int
) -> NDArray[np.int64]:
    """Return texts of one prompt at every T of the grid, the same Gumbel noise for each, as in a study."""
    noise, made = generator.gumbel(size=(length, count, z.shape[1])), []
    for t in grid:
        state, part = np.full(count, len(z) - 1), np.full((count, length), -1)
        for step in range(length):
            live = state != END if step else np.ones(count, dtype=bool)
            token = (z[state] / t + noise[step]).argmax(axis=1)
            part[live, step] = token[live]
            state = np.where(live, token, state)
        made.append(part)
    return np.concatenate(made)


def log_probability(z: Values, made: NDArray[np.int64], t: float, top_k: int = 0) -> Values:
    """Return the log-probability of each text."""
    with np.errstate(divide="ignore"):
        log_p = np.log(softmax(z, t, top_k))
    before = np.concatenate([np.full((len(made), 1), len(z) - 1), np.maximum(made[:, :-1], 0)], axis=1)
    return np.where(made >= 0, log_p[before, np.maximum(made, 0)], 0.0).sum(axis=1)


def values_of(made: NDArray[np.int64]) -> Values:
    """Return length, count of token 1, immediate repeats, and whether the text ended: [texts, 4]."""
    repeats = (made[:, 1:] == made[:, :-1]) & (made[:, 1:] > 0)
    return np.stack(
        [(made > 0).sum(axis=1), (made == 1).sum(axis=1), repeats.sum(axis=1), (made == END).any(axis=1)], axis=1
    ).astype(float)


TARGETS = [(0.75, 0), (0.95, 0), (1.1, 0), (1.45, 0), (1.0, 3)]
GRIDS = [(1.0,), (0.7, 1.0, 1.3), (0.5, 0.75, 1.0, 1.25, 1.5)]
SIZES = [
    (1, 100, "one prompt"),
    (8, 10, "8 prompts"),
    (8, 10, "8 prompts that differ"),
    (20, 30, "20 prompts"),
    (1, 100, "one prompt, shared noise"),
]


def known(replicates: int) -> None:
    """Print coverage on iid-token and Markov models, by gate and by length of text."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    cells: dict[str, list[float]] = defaultdict(list)
    for at, (markov, length, grid, size) in enumerate(itertools.product((0, 1), (5, 20, 80), GRIDS, SIZES)):
        generator = np.random.default_rng(at)
        prompts, each, name = size
        differ = name.endswith("differ")
        model = chain(generator, 4000 if differ else 1, bool(markov))
        truth = [answers(model, t, length, top_k) for t, top_k in TARGETS]
        hits: dict[tuple[str, int, int], list[bool]] = defaultdict(list)
        for _ in range(replicates):
            chosen = model[generator.integers(0, len(model), prompts)]
            drawn, log_targets = one_set(generator, chosen, each, length, grid, shared=name.endswith("noise"))
            for target, log_t in enumerate(log_targets):
                note(hits, drawn, log_t, target, truth[target])
        for gate, target, value in itertools.product(GATES, range(len(TARGETS)), range(4)):
            covered = hits[gate, target, value]
            for key in (f"{length} tokens", name, "Markov" if markov else "iid", "all"):
                row = counts[gate, key]
                row[0] += len(covered)
                row[1] += sum(covered)
                row[2] += replicates
            if len(covered) >= replicates / 2:
                cells[gate].append(float(np.mean(covered)))
    show(counts, cells, replicates)


@dataclass(frozen=True)
class Drawn:
    """One set of samples: values [texts, 4], and what ``reweight`` needs; units share their noise over T."""

    values: Values
    clusters: NDArray[np.int64]
    sources: NDArray[np.int64]
    log_k: Values
    units: NDArray[np.int64] | None = None


def one_set(
    generator: np.random.Generator, prompts: Values, each: int, length: int, grid: tuple[float, ...], *, shared: bool
) -> tuple[Drawn, list[Values]]:
    """Draw one set of samples; return it with its log-probability at every target."""
    if shared:
        made = [texts_of_shared_noise(generator, z, grid, length, each) for z in prompts]
    else:
        made = [np.concatenate([texts(generator, z, t, length, each) for t in grid]) for z in prompts]
    pairs = list(zip(prompts, made, strict=True))
    drawn = Drawn(
        values=np.concatenate([values_of(m) for m in made]),
        clusters=np.repeat(np.arange(len(prompts)), each * len(grid)),
        sources=np.tile(np.repeat(np.arange(len(grid)), each), len(prompts)),
        log_k=np.concatenate([np.stack([log_probability(z, m, t) for t in grid], axis=1) for z, m in pairs]),
        units=np.tile(np.arange(each), len(grid)) if shared else None,
    )
    return drawn, [np.concatenate([log_probability(z, m, t, top_k) for z, m in pairs]) for t, top_k in TARGETS]


def note(hits: dict[tuple[str, int, int], list[bool]], drawn: Drawn, log_t: Values, at: int, truth: Values) -> None:
    """Reweight each value to one target, and note for every gate that answers whether the interval covers."""
    for value in range(drawn.values.shape[1]):
        f = drawn.values[:, value]
        found = reweight(f, drawn.clusters, drawn.sources, drawn.log_k, log_t, units=drawn.units, gate=GATES["no gate"])
        covers = bool(found.estimate.low <= truth[value] <= found.estimate.high)
        for name, gate in GATES.items():
            passes = found.ess >= gate.ess and found.influence >= gate.influence and found.pareto_k <= gate.pareto_k
            if found.trusted and passes and abs(found.mean_weight - 1) <= gate.miss:
                hits[name, at, value].append(covers)


def show(counts: dict[tuple[str, str], list[int]], cells: dict[str, list[float]], replicates: int) -> None:
    for gate in GATES:
        for (name, key), (answered, covered, asked) in sorted(counts.items()):
            if name == gate and answered:
                print(
                    f"{gate:32} {key:24} answers {answered / asked:6.1%} of {asked:6}, covers {covered / answered:6.1%}"
                )
        worst = np.sort(cells[gate])
        below = float((worst < 0.93).mean()) if len(worst) else float("nan")
        print(f"{gate:32} cells answered in half of {replicates} sets: {len(worst)}, lowest {worst[:3].round(3)}, "
              f"below .93: {below:.1%}\n")  # fmt: skip


WRITTEN, DRAWN, REFERENCE, PROMPTS = 6, 60, 10, 8
SOURCES, ASKED = (0.7, 1.0, 1.3), (0.85, 1.15)


def embedded(replicates: int) -> None:
    """Print coverage on the embedded model: each prompt by itself, against ten times the samples at the target."""
    model = load_model("embedded")
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    cells: dict[str, list[float]] = defaultdict(list)
    for prompt_id, prompt in STORY_OPENINGS[:PROMPTS]:
        hits = on_prompt(model, prompt_id, prompt, replicates)
        for gate, target, value in itertools.product(GATES, range(len(ASKED)), range(4)):
            covered, row = hits[gate, target, value], counts[gate, "all"]
            row[0] += len(covered)
            row[1] += sum(covered)
            row[2] += replicates
            if len(covered) >= replicates / 2:
                cells[gate].append(float(np.mean(covered)))
        print(f"{prompt_id}: done", file=sys.stderr)
    show(counts, cells, replicates)


def written(model: LogitsModel, request: Request, count: int) -> list[tuple[int, ...]]:
    """Return the ids of so many texts, the end token included where the model ended one."""
    done = sorted(generate(model, [replace(request, sample=i) for i in range(count)]), key=lambda c: c.sample)
    return [(*c.tokens, *(model.info.end_tokens[:1] if c.finish_reason == "stop" else ())) for c in done]


def numbers(model: LogitsModel, made: list[tuple[int, ...]]) -> Values:
    """Return characters, distinct words, letters e, and whether there is a comma: [texts, 4]."""
    words = [model.decode(text) for text in made]
    return np.array([[len(w), len(set(w.lower().split())), w.count("e"), "," in w] for w in words], float)


def on_prompt(
    model: LogitsModel, prompt_id: str, prompt: str, replicates: int
) -> dict[tuple[str, int, int], list[bool]]:
    """Return for every gate, target and value whether the intervals of each set of samples cover."""
    before = read_prompt(model, prompt).tokens
    asked = [Request(prompt, SamplingParams(temperature=t, seed=2), 0, prompt_id, WRITTEN) for t in ASKED]
    truth = [numbers(model, written(model, r, REFERENCE * DRAWN * len(SOURCES))).mean(axis=0) for r in asked]
    pool = [
        written(
            model, Request(prompt, SamplingParams(temperature=t, seed=1), 0, prompt_id, WRITTEN), replicates * DRAWN
        )
        for t in SOURCES
    ]
    known_p: dict[tuple[int, ...], Values] = {}
    for text in {text for part in pool for text in part}:
        tokens = tokens_of_ids(model, before, text)
        known_p[text] = np.array([tokens.log_likelihood(t) for t in (*SOURCES, *ASKED)])
    hits: dict[tuple[str, int, int], list[bool]] = defaultdict(list)
    for one in range(replicates):
        made = [text for part in pool for text in part[one * DRAWN : (one + 1) * DRAWN]]
        log_p = np.stack([known_p[text] for text in made])
        sources, units = np.repeat(np.arange(len(SOURCES)), DRAWN), np.tile(np.arange(DRAWN), len(SOURCES))
        drawn = Drawn(numbers(model, made), np.zeros_like(sources), sources, log_p[:, : len(SOURCES)], units)
        for at in range(len(ASKED)):
            note(hits, drawn, log_p[:, len(SOURCES) + at], at, truth[at])
    return hits


if __name__ == "__main__":
    which = sys.argv[1] if len(sys.argv) > 1 else "known"
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    known(number) if which == "known" else embedded(number)
