"""Make the hashed filter of the training text's n-grams that ships with the embedded model.

Run: ``python training/ngram_filter.py --corpus CORPUS --out src/tempering/models/weights/ngrams.npz``. Takes the same
documents as ``prepare.py`` trains on (never the validation or test part), and prints size and false-positive rate for
each n, measured on n-grams that no text has.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import corpus
from prepare import CORPORA

from tempering.measures.ngram_filter import NgramFilter, filter_bits, foreign
from tempering.measures.words import words

ONE_IN = {1: 1, 2: 1, 3: 4, 4: 4, 6: 4, 8: 8}
"""Which n, and one n-gram in how many: single words and pairs are few, longer sequences are nearly all different.

For n = 3 to 6 the share of new ones lies between its ends at the T of interest, so they are held densely; at n = 8 it
is near 1, and n = 5, 7, 9 and 10 add little to their neighbours."""

FOREIGN = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True, help="folder with the corpus files")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--model", default="tempering-stories", help="the name in model.json")
    options = parser.parse_args()
    texts = [text for file in CORPORA.values() for text in corpus.split(corpus.read(options.corpus / file))["train"]]
    documents = [words(text) for text in texts]
    print(f"{len(documents)} documents, {sum(map(len, documents))} words")
    made = {n: filter_bits(documents, n, one_in) for n, one_in in ONE_IN.items()}
    bits = {n: own for n, (own, _) in made.items()}
    digest = hashlib.sha256(b"".join(bits[n].tobytes() for n in ONE_IN)).hexdigest()
    empty = NgramFilter(
        name="the text that the embedded model was trained on",
        identity=digest,
        model=options.model,
        one_in=ONE_IN,
        keys={n: keys for n, (_, keys) in made.items()},
        bits=bits,
        false_positives=dict.fromkeys(ONE_IN, 0.0),
    )
    rates = {n: float(empty.known(list(foreign(documents, n, FOREIGN)), n).mean()) for n in ONE_IN}
    replace(empty, false_positives=rates).save(options.out)
    for n in ONE_IN:
        print(f"n={n}: {empty.keys[n]} n-grams, {len(bits[n]) / 1e6:.2f} MB, false positives {rates[n]:.4%}")


if __name__ == "__main__":
    main()
