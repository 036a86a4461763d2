"""Measure an exported model on held-out text: bits per character, computed by the runtime that ships.

Run: ``python training/evaluate.py --data build/embedded --model build/export/onnx``. Each document stands alone after
its end-of-text mark; documents longer than the context are read in windows of which the first half is context only.
The interval is a bootstrap over documents.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tempering.models.onnx import OnnxModel
from tempering.sampling.rows import log_softmax

SETS = {
    "children.test": "five held-out authors of children-stories",
    "children.valid": "validation part of children-stories (chose the checkpoint)",
    "simple.test": "held-out stories of simple-stories",
    "simple.valid": "validation part of simple-stories (chose the checkpoint)",
}


def nats(model: OnnxModel, tokens: list[int]) -> float:
    """Return the negative log-likelihood of all tokens after the first."""
    context, total, done = model.info.context, 0.0, 1
    while done < len(tokens):
        begin = max(0, done - context // 2) if len(tokens) > context else 0
        window = tokens[begin : begin + context]
        logits = model.score(window).astype(np.float64)
        logprobs = log_softmax(logits, np.ones_like(logits, dtype=np.bool_))
        scored = np.arange(done - begin, len(window))
        total -= float(logprobs[scored - 1, [window[i] for i in scored]].sum())
        done = begin + len(window)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=10**9, help="at most so many of each set")
    parser.add_argument("--sets", nargs="*", default=[name for name in SETS if name.endswith("test")])
    options = parser.parse_args()
    model = OnnxModel(options.model, name="candidate")
    for name in options.sets:
        arrays = np.load(options.data / f"{name}.npz")
        ends = np.append(arrays["starts"][1:], len(arrays["tokens"]))
        bits, characters = [], []
        for begin, end in list(zip(arrays["starts"], ends, strict=True))[: options.documents]:
            tokens = [int(token) for token in arrays["tokens"][begin:end]]
            bits.append(nats(model, tokens) / np.log(2))
            characters.append(len(model.decode(tokens[1:])))
        counts, sums = np.array(characters), np.array(bits)
        draws = np.random.default_rng(0).integers(0, len(sums), (2000, len(sums)))
        spread = np.quantile(sums[draws].sum(axis=1) / counts[draws].sum(axis=1), [0.025, 0.975])
        record = {"set": name, "what": SETS[name], "documents": len(sums), "characters": int(counts.sum())}
        record |= {"bits_per_character": round(float(sums.sum() / counts.sum()), 4)}
        print(json.dumps(record | {"interval_95": spread.round(4).tolist()}), flush=True)


if __name__ == "__main__":
    main()
