"""Diversity: inside a text, and between the texts of a cell; at an equal budget of words or characters."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tempering.measures.base import HEAD, WINDOWS, Measure, Samples, Values, of_cells, windowed
from tempering.measures.words import ngrams


def distinct(items: Sequence[str], n: int) -> float:
    """Return the share of different ones among the n-grams of words; NaN below n words.

    Example:
        >>> distinct("the fox the fox".split(), 1), distinct("the fox the fox".split(), 3)
        (0.5, 1.0)
    """
    grams = ngrams(items, n)
    return len(set(grams)) / len(grams) if grams else math.nan


def compression_ratio(samples: Samples) -> Values:
    """Return bytes over compressed bytes (zlib, level 9) of each text's first characters; NaN for a shorter text."""
    size = samples.characters
    texts = [completion.text for completion in samples.completions]
    raw = [text[:size].encode("utf-8", errors="replace") if len(text) >= size else b"" for text in texts]
    return np.array([len(own) / len(zlib.compress(own, 9)) if own else math.nan for own in raw])


def _heads(samples: Samples, indices: list[int]) -> list[tuple[str, ...]]:
    """Return the beginnings of a cell's texts, sorted, those that are too short left out."""
    return sorted(head for index in indices if (head := samples.heads[index]) is not None)


def cell_distinct(samples: Samples, indices: list[int], n: int) -> float:
    """Return the share of different ones among the n-grams of a cell's texts; NaN unless all have the length.

    The budget is the same for every cell of equal size: so many texts of so many words.
    """
    heads = _heads(samples, indices)
    grams = [gram for head in heads for gram in ngrams(head, n)]
    return len(set(grams)) / len(grams) if grams and len(heads) == len(indices) else math.nan


def shared_4grams(samples: Samples, indices: list[int]) -> float:
    """Return the share of 4-grams that another text of the cell has too; NaN below two texts of the length."""
    sets = [set(ngrams(head, 4)) for head in _heads(samples, indices)]
    texts_with = Counter(gram for found in sets for gram in found)
    shares = [sum(texts_with[gram] > 1 for gram in found) / len(found) for found in sets if found]
    return sum(shares) / len(shares) if len(shares) > 1 else math.nan


def self_bleu(samples: Samples) -> Values:
    """Return BLEU-4 of each text with the other texts of its cell as references, in [0, 1]; NaN without others."""
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415 - loaded when used, for a light start

    bleu = BLEU(tokenize="none", effective_order=True, lowercase=False)
    out = np.full(len(samples.completions), math.nan)
    for indices in samples.cells().values():
        texts = {index: " ".join(head) for index in indices if (head := samples.heads[index])}
        for index, text in texts.items():
            if others := [other for place, other in sorted(texts.items()) if place != index]:
                out[index] = min(1.0, bleu.sentence_score(text, others).score / 100)
    return out


def vendi(kernel: NDArray[np.float64]) -> float:
    """Return the Vendi score of a kernel: exp of the entropy of the eigenvalues of K / n.

    Args:
        kernel: similarities, shape [n, n], symmetric, positive semidefinite, 1 on the diagonal.

    Returns:
        The effective number of different items, in [1, n].

    Example:
        >>> round(vendi(np.eye(3)), 6), round(vendi(np.ones((3, 3))), 6)
        (3.0, 1.0)
    """
    values = np.clip(np.linalg.eigvalsh(kernel / len(kernel)), 0.0, None)
    values = values[values > 1e-12] / values.sum()
    return float(min(len(kernel), max(1.0, np.exp(-(values * np.log(values)).sum()))))


def vendi_score(samples: Samples, indices: list[int]) -> float:
    """Return the effective number of different texts in a cell over their number; NaN unless all have the length."""
    heads = _heads(samples, indices)
    if len(heads) < len(indices):
        return math.nan
    return vendi(_similarities([[*head, *(" ".join(pair) for pair in ngrams(head, 2))] for head in heads])) / len(heads)


def _similarities(texts: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return the cosines of counts between texts, shape [texts, texts]."""
    place = {item: number for number, item in enumerate(sorted({item for text in texts for item in text}))}
    counts = np.zeros((len(texts), len(place)))
    for row, text in enumerate(texts):
        for item, count in Counter(text).items():
            counts[row, place[item]] = count
    counts /= np.linalg.norm(counts, axis=1, keepdims=True)
    return np.asarray(counts @ counts.T)


_SIZE = "Depends on the number of samples of a cell, which is the same at every T."


def distinct_of(n: int) -> Measure:
    """Return the measure distinct-n of single texts.

    Example:
        >>> distinct_of(2).title
        'Different word pairs'
    """
    return Measure(
        name=f"distinct@{n}",
        title=f"Different {_grams(n)}",
        criterion="diversity",
        unit=f"share of the {n}-grams of words of a window",
        more=f"fewer {_grams(n)} come twice",
        low=0.0,
        high=1.0,
        validity="Says that words vary, not that the text is good: a random list of words has 1.",
        source="Li et al. 2016, arXiv 1510.03055; at equal length",
        function=windowed(lambda part: distinct(part, n)),
        length=WINDOWS,
    )


def cell_distinct_of(n: int) -> Measure:
    """Return the measure distinct-n of the samples of a cell, taken together.

    Example:
        >>> cell_distinct_of(1).name
        'cell_distinct@1'
    """
    return Measure(
        name=f"cell_distinct@{n}",
        title=f"Different {_grams(n)} among the samples",
        criterion="diversity",
        unit=f"share of the {n}-grams of words of a cell",
        more="the samples of a cell repeat each other and themselves less",
        low=0.0,
        high=1.0,
        validity=f"Says that words vary, not that the texts are good. {_SIZE}",
        source="Li et al. 2016, arXiv 1510.03055; over the samples of a cell",
        function=of_cells(lambda samples, indices: cell_distinct(samples, indices, n)),
        needs=frozenset({"cells"}),
        length=HEAD,
    )


def _grams(n: int) -> str:
    return {1: "words", 2: "word pairs"}.get(n, f"sequences of {n} words")


COMPRESSION_RATIO = Measure(
    name="compression_ratio",
    title="Compression ratio",
    criterion="diversity",
    unit="bytes over compressed bytes",
    more="more redundant text",
    low=0.0,
    high=math.inf,
    validity=(
        "On the 31 rated stories it tracked neither novelty nor any other rating. Short texts hardly compress: below "
        "100 characters it says little."
    ),
    source="Shaib et al. 2024, arXiv 2403.00553",
    function=compression_ratio,
    length="the first 400 characters, or fewer where the texts of a study are shorter",
)
SHARED_4GRAMS = Measure(
    name="shared_4grams",
    title="Four-word sequences that samples share",
    criterion="diversity",
    unit="share of a text's 4-grams",
    more="the samples of a cell say the same in the same words",
    low=0.0,
    high=1.0,
    validity=f"Exact. Samples that share a beginning by common noise share its 4-grams. {_SIZE}",
    source="self-repetition across outputs, Salkar et al. 2022, arXiv 2210.08145; at equal length",
    function=of_cells(shared_4grams),
    needs=frozenset({"cells"}),
    length=HEAD,
)
SELF_BLEU = Measure(
    name="self_bleu",
    title="Likeness of the samples (Self-BLEU)",
    criterion="diversity",
    unit="BLEU-4 against the other samples of the cell, 0 to 1",
    more="the samples of a cell are more alike",
    low=0.0,
    high=1.0,
    validity=f"Compares words in their order, not meanings; random words are the most diverse of all. {_SIZE}",
    source="Zhu et al. 2018, arXiv 1802.01886, by sacrebleu",
    function=self_bleu,
    needs=frozenset({"cells"}),
    length=HEAD,
)
VENDI_SCORE = Measure(
    name="vendi_score",
    title="Effective share of different samples (Vendi)",
    criterion="diversity",
    unit="effective number over the number of samples",
    more="the samples of a cell are less alike",
    low=0.0,
    high=1.0,
    validity=f"With a kernel of words and word pairs: compares words, not meanings. {_SIZE}",
    source="Friedman and Dieng 2022, arXiv 2210.02410",
    function=of_cells(vendi_score),
    needs=frozenset({"cells"}),
    length=HEAD,
)
