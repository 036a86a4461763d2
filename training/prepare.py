"""Turn the corpora into a tokenizer and token arrays: the first step of the recipe.

Run: ``python training/prepare.py --corpus CORPUS --out build/embedded``. Writes ``tokenizer.json`` and, for
each corpus and part, ``NAME.PART.npz`` with ``tokens`` (uint16, each document preceded by the end-of-text mark),
``starts`` (where documents begin) and ``characters`` (how many characters the documents hold).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import corpus
import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

CORPORA = {"children": "children-stories.jsonl.xz", "simple": "simple-stories.jsonl.xz"}
END_OF_TEXT = "<|endoftext|>"
VOCABULARY = 4096


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Train a byte-level BPE tokenizer; the end-of-text mark is token 0."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, texts: list[str]) -> dict[str, np.ndarray]:
    """Encode documents into one stream, each preceded by the end-of-text mark (token 0)."""
    pieces = [[0, *encoding.ids] for encoding in tokenizer.encode_batch(texts)]
    lengths = np.array([len(piece) for piece in pieces])
    return {
        "tokens": np.concatenate([np.array(piece, dtype=np.uint16) for piece in pieces]),
        "starts": np.concatenate([[0], np.cumsum(lengths)[:-1]]),
        "characters": np.array(sum(map(len, texts))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the corpus files")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    parts = {name: corpus.split(corpus.read(options.corpus / file)) for name, file in CORPORA.items()}
    # The simple stories are a sixth of the characters but what the model will write: count them twice.
    tokenizer = train_tokenizer(parts["children"]["train"] + 2 * parts["simple"]["train"])
    tokenizer.save(str(options.out / "tokenizer.json"))
    for name, split in parts.items():
        for part, texts in split.items():
            arrays = encode(tokenizer, texts)
            np.savez(options.out / f"{name}.{part}.npz", **arrays)
            counts = f"{arrays['characters']} characters, {len(arrays['tokens'])} tokens"
            print(f"{name}.{part}: {len(texts)} documents, {counts}")


if __name__ == "__main__":
    main()
