"""Train the embedded model on prepared token arrays, on CPU or CUDA.

Run: ``python training/train.py --data build/embedded --minutes 100``. Progress is the share of the time budget (or of
``--steps``) that has passed; the learning rate and the mixture of corpora follow it. The checkpoint with the lowest
mean validation loss is kept in ``model.safetensors``, with ``shape.json`` and ``log.jsonl`` beside it.

Matrices inside the blocks are trained by Muon (orthogonalised momentum), embeddings and norms by AdamW.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from model import Decoder, Shape
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Phase:
    """A stretch of training: until which progress, which share of simple stories, whole documents or any window."""

    until: float
    simple: float
    whole: bool


PHASES = (
    Phase(until=0.55, simple=0.15, whole=False),
    Phase(until=0.85, simple=0.60, whole=False),
    Phase(until=1.00, simple=0.70, whole=True),
)
WARMUP, HOLD = 0.01, 0.40  # share of progress until which the learning rate rises, and until which it stays
MUON_RATE, ADAM_RATE, WEIGHT_DECAY, CLIP = 0.03, 3e-3, 0.1, 1.0


class Windows:
    """Windows of one corpus part: any offset, or from the beginning of a document."""

    def __init__(self, path: Path, context: int) -> None:
        arrays = np.load(path)
        self.tokens = arrays["tokens"].astype(np.int64)
        self.starts = arrays["starts"][arrays["starts"] < len(self.tokens) - context - 1]
        self.characters = int(arrays["characters"])
        self.context = context

    def sample(self, generator: np.random.Generator, count: int, whole: bool) -> np.ndarray:
        if whole:
            offsets = generator.choice(self.starts, count)
        else:
            offsets = generator.integers(0, len(self.tokens) - self.context - 1, count)
        return self.tokens[offsets[:, None] + np.arange(self.context + 1)]

    def consecutive(self, batch: int, limit: int) -> list[np.ndarray]:
        step = self.context
        offsets = np.arange(0, len(self.tokens) - step - 1, step)[:limit]
        windows = self.tokens[offsets[:, None] + np.arange(step + 1)]
        return [windows[i : i + batch] for i in range(0, len(windows), batch)]


def learning_rate(progress: float) -> float:
    """Return the factor on the learning rates: warm-up, plateau, linear decay to zero."""
    if progress < WARMUP:
        return progress / WARMUP
    return 1.0 if progress < HOLD else max(0.0, (1 - progress) / (1 - HOLD))


def optimisers(decoder: Decoder) -> list[torch.optim.Optimizer]:
    inner = [p for n, p in decoder.named_parameters() if p.ndim == 2 and ".layers." in n]
    outer = [p for n, p in decoder.named_parameters() if not (p.ndim == 2 and ".layers." in n)]
    return [
        torch.optim.Muon(inner, lr=MUON_RATE, weight_decay=WEIGHT_DECAY, momentum=0.95),
        torch.optim.AdamW(outer, lr=ADAM_RATE, weight_decay=0.0, betas=(0.9, 0.95)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=math.inf)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=704)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--init", type=Path, help="weights to start from")
    parser.add_argument("--validate-every", type=int, default=250)
    parser.add_argument("--out", type=Path, help="folder for the checkpoint; the data folder unless given")
    options = parser.parse_args()
    out: Path = options.out or options.data
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    generator = np.random.default_rng(options.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = Shape(width=options.width, layers=options.layers, heads=options.heads, hidden=options.hidden)
    decoder = Decoder(shape, options.dropout).to(device)
    if options.init:
        decoder.load_state_dict(load_file(options.init))
    part = {
        f"{name}.{split}": Windows(options.data / f"{name}.{split}.npz", shape.context)
        for name in ("children", "simple")
        for split in ("train", "valid")
    }

    def loss_of(tokens: Tensor) -> Tensor:
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = decoder(tokens[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    compiled = torch.compile(loss_of)

    def validate() -> dict[str, float]:
        decoder.eval()
        losses = {}
        with torch.no_grad():
            for name in ("children", "simple"):
                windows = part[f"{name}.valid"].consecutive(options.batch, 8 * options.batch)
                full = [w for w in windows if len(w) == options.batch]
                losses[name] = float(np.mean([float(compiled(torch.from_numpy(w).to(device))) for w in full]))
        decoder.train()
        return losses

    steppers = optimisers(decoder)
    base = [[group["lr"] for group in stepper.param_groups] for stepper in steppers]
    begun, best, step = time.monotonic(), math.inf, 0
    (out / "shape.json").write_text(json.dumps(shape.as_dict(), indent=1))
    with (out / "log.jsonl").open("w") as log:
        while True:
            minutes = (time.monotonic() - begun) / 60
            progress = min(1.0, max(minutes / options.minutes, step / options.steps if options.steps else 0.0))
            if step % options.validate_every == 0 or progress >= 1:
                losses = validate()
                record = {"step": step, "progress": round(progress, 4), "minutes": round(minutes, 2)}
                record |= {"tokens": step * options.batch * shape.context} | losses
                print(json.dumps(record), flush=True)
                log.write(json.dumps(record) + "\n")
                log.flush()
                if sum(losses.values()) < best:
                    best = sum(losses.values())
                    save_file({k: v.contiguous() for k, v in decoder.state_dict().items()}, out / "model.safetensors")
                if progress >= 1:
                    return
            phase = next(p for p in PHASES if progress <= p.until)
            simple = int(generator.binomial(options.batch, phase.simple))
            rows = [
                part["simple.train"].sample(generator, simple, phase.whole),
                part["children.train"].sample(generator, options.batch - simple, phase.whole),
            ]
            compiled(torch.from_numpy(np.concatenate(rows)).to(device)).backward()
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), CLIP)
            for stepper, rates in zip(steppers, base, strict=True):
                for group, rate in zip(stepper.param_groups, rates, strict=True):
                    group["lr"] = rate * learning_rate(progress)
                stepper.step()
                stepper.zero_grad(set_to_none=True)
            step += 1


if __name__ == "__main__":
    main()
