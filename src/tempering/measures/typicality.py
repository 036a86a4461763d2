"""Typicality: how near a text is to its exemplar, to texts of the kind that is wanted, to the shape of a story."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from tempering.measures.base import HEAD, Measure, Samples, Values
from tempering.measures.words import words


def cosine(first: Counter[str], second: Counter[str]) -> float:
    """Return the cosine of two count vectors in [0, 1]; NaN if one is empty.

    Example:
        >>> round(cosine(Counter("aab"), Counter("abb")), 6)
        0.8
    """
    norm = math.hypot(*first.values()) * math.hypot(*second.values())
    if norm == 0:
        return math.nan
    return min(1.0, sum(count * second[word] for word, count in first.items()) / norm)


def exemplar_similarity(samples: Samples) -> Values:
    """Return the cosine of word counts between each text and the exemplar of its prompt, at equal length."""
    exemplars = {name: Counter(words(text)[: samples.budget]) for name, text in samples.exemplars.items()}
    none: Counter[str] = Counter()
    out = [
        cosine(Counter(head), exemplars.get(completion.prompt_id, none)) if head is not None else math.nan
        for completion, head in zip(samples.completions, samples.heads, strict=True)
    ]
    return np.array(out, dtype=np.float64)


def reference_distance(samples: Samples) -> Values:
    """Return 1 - the cosine between each text and the centre of the references, in TF-IDF weights of words.

    The weights come from the references; words that none of them has have no part in it.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415 - loaded when used, for a light start

    out = np.full(len(samples.completions), math.nan)
    references = sorted(text for text in samples.references if words(text))
    there = [index for index, head in enumerate(samples.heads) if head is not None]
    if not references or not there:
        return out
    vectors = TfidfVectorizer(analyzer=_own, sublinear_tf=True)
    centre = np.asarray(vectors.fit_transform([words(text) for text in references]).mean(axis=0)).ravel()
    centre /= np.linalg.norm(centre)
    cosines = vectors.transform([samples.heads[index] for index in there]) @ centre
    out[there] = np.clip(1 - cosines, 0.0, 1.0)
    return out


def _own(found: Sequence[str]) -> Sequence[str]:
    """Return words that are counted already."""
    return found


MARKS: dict[str, tuple[frozenset[str], ...]] = {
    "English": tuple(
        frozenset(group.split())
        for group in (
            "once day night morning evening afternoon ago time winter summer spring autumn yesterday",
            "he she they i we boy girl man woman king queen child mother father friend friends",
            "but suddenly then however until when",
            "because so wanted decided tried thought knew afraid happy sad wished hoped",
        )
    ),
    "Portuguese": tuple(
        frozenset(group.split())
        for group in (
            "vez dia noite manhã tarde tempo inverno verão primavera outono ontem",
            "ele ela eles elas eu nós menino menina homem mulher rei rainha criança mãe pai amigo amigos",
            "mas então porém até quando",
            "porque queria decidiu tentou pensou sabia medo feliz triste desejava esperava",
        )
    ),
}
"""Words that mark the parts of a story: when, who, a turn, a reason."""


def story_marks(samples: Samples) -> Values:
    """Return the share of four marks of a story that a text's beginning has; NaN for a language without a list."""
    out = []
    for completion, head in zip(samples.completions, samples.heads, strict=True):
        marks = MARKS.get(samples.languages[completion.prompt_id] or "")
        if marks is None or head is None:
            out.append(math.nan)
        else:
            found = set(head)
            out.append(sum(bool(found & group) for group in marks) / len(marks))
    return np.array(out, dtype=np.float64)


EXEMPLAR_SIMILARITY = Measure(
    name="exemplar_similarity",
    title="Similarity to the greedy text",
    criterion="typicality",
    unit="cosine of word counts",
    more="nearer to what the model writes at T=0",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy: it compares words, not plots. At T=0 it is 1 by definition. No link with rated typicality is known; "
        "the published study found none between rated typicality and T."
    ),
    source="word-count form of the similarity to the exemplar in Peeperkorn et al. 2024, arXiv 2405.00492",
    function=exemplar_similarity,
    needs=frozenset({"exemplars"}),
    length=HEAD,
)
REFERENCE_DISTANCE = Measure(
    name="reference_distance",
    title="Distance to the reference texts",
    criterion="typicality",
    unit="1 - cosine to their centre, TF-IDF",
    more="further from the body of the texts that you gave",
    low=0.0,
    high=1.0,
    validity="A proxy: it compares words, not what is said. As good as the references are typical of what is wanted.",
    source="distance to the centroid, after Salton and Buckley 1988, doi 10.1016/0306-4573(88)90021-0",
    function=reference_distance,
    needs=frozenset({"references"}),
    length=HEAD,
)
STORY_MARKS = Measure(
    name="story_marks",
    title="Marks of a story",
    criterion="typicality",
    unit="share of four: when, who, a turn, a reason",
    more="more of what a story has is there in words",
    low=0.0,
    high=1.0,
    validity=(
        "A crude proxy of unknown validity: words that usually mark the parts of a story, in English and Portuguese. "
        "Means nothing for other kinds of text, and a shuffled story keeps its marks."
    ),
    source="own lists, after the story grammar of Rumelhart 1975",
    function=story_marks,
    needs=frozenset({"language"}),
    length=HEAD,
)
