"""Measures in the space of a model of embeddings, where the user has one. Knows texts and vectors.

An embedder is named like ``http://host:port/v1#model`` (an OpenAI-compatible ``/embeddings`` endpoint) or
``sentence-transformers:NAME`` (a model of that package, if it is installed).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tempering.errors import MissingExtraError, ParameterError, ServerError
from tempering.measures.base import WHOLE, Measure, Samples, Values, of_cells
from tempering.measures.diversity import vendi
from tempering.measures.words import sentences
from tempering.models.address import Address
from tempering.models.transport import Transport

BATCH = 64
Vectors = NDArray[np.float64]


@dataclass(frozen=True)
class Embedder:
    """Texts to unit vectors; every text is asked for once.

    Attributes:
        name: what it is called in results.
        function: from texts to vectors, shape [texts, dimensions].
    """

    name: str
    function: Callable[[Sequence[str]], Vectors]
    known: dict[str, Vectors] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of texts, each of length 1, shape [texts, dimensions].

        Raises:
            ServerError: the answer has another number of vectors, or numbers that are none.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for begin in range(0, len(new), BATCH):
            asked = new[begin : begin + BATCH]
            vectors = np.asarray(self.function(asked), dtype=np.float64)
            if vectors.ndim != 2 or len(vectors) != len(asked) or not np.isfinite(vectors).all():
                raise ServerError(f"{self.name}: asked for {len(asked)} embeddings, got shape {vectors.shape}")
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            self.known.update(zip(asked, vectors / np.where(norms > 0, norms, 1.0), strict=True))
        return np.stack([self.known[text] for text in texts]) if texts else np.zeros((0, 0))


def make_embedder(name: str) -> Embedder:
    """Return the embedder of a name.

    Raises:
        ParameterError: the name is none.
        MissingExtraError: sentence-transformers is not installed.
    """
    kind, _, rest = name.partition(":")
    if kind == "sentence-transformers" and rest:
        return Embedder(name, _sentence_transformers(rest))
    if kind in {"http", "https"} and Address.of(name).model:
        return Embedder(name, _endpoint(name))
    raise ParameterError(
        f"embeddings must be http://host:port/v1#model or sentence-transformers:NAME, got {name!r}", field="embeddings"
    )


def _endpoint(name: str) -> Callable[[Sequence[str]], Vectors]:
    address = Address.of(name)
    key, hint = address.key()
    transport = Transport(address.base, name=f"{address.base}#{address.model}", key=key, key_hint=hint)

    def embed(texts: Sequence[str]) -> Vectors:
        # An empty input is refused by servers; a space is the nearest thing to it.
        content = transport.post(
            "/embeddings",
            {"model": address.model, "input": [text or " " for text in texts], "encoding_format": "float"},
        ).content
        try:
            items = sorted(content["data"], key=lambda item: item["index"])
            return np.array([item["embedding"] for item in items], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            raise ServerError(f"{address.base}: the answer holds no embeddings") from None

    return embed


def _sentence_transformers(name: str) -> Callable[[Sequence[str]], Vectors]:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - loaded when used
    except ImportError:
        raise MissingExtraError(f"{name} needs an extra: pip install 'tempering[embeddings]'") from None
    model = SentenceTransformer(name)
    return lambda texts: np.asarray(model.encode(list(texts), show_progress_bar=False), dtype=np.float64)


def embedding_similarity(samples: Samples) -> Values:
    """Return the cosine between each text and the exemplar of its prompt, at equal length; NaN without one."""
    out = np.full(len(samples.completions), math.nan)
    if samples.embed is None:
        return out
    there = [
        index
        for index, completion in enumerate(samples.completions)
        if samples.begun[index] is not None and samples.exemplars.get(completion.prompt_id)
    ]
    known = {prompt: samples.begin(text) or text for prompt, text in samples.exemplars.items()}
    texts = samples.embed([samples.begun[index] or "" for index in there])
    exemplars = samples.embed([known[samples.completions[index].prompt_id] for index in there])
    if there:
        out[there] = np.clip((texts * exemplars).sum(axis=1), -1.0, 1.0)
    return out


def embedding_coherence(samples: Samples) -> Values:
    """Return the mean cosine of adjacent sentences; NaN below two sentences."""
    out = np.full(len(samples.completions), math.nan)
    if samples.embed is None:
        return out
    for index, completion in enumerate(samples.completions):
        vectors = samples.embed(sentences(completion.text))
        pairs = [float(a @ b) for a, b in pairwise(vectors)]
        if pairs:
            out[index] = min(1.0, max(-1.0, math.fsum(pairs) / len(pairs)))
    return out


def embedding_variety(samples: Samples, indices: list[int]) -> float:
    """Return the effective share of different texts in a cell, by the Vendi score of their cosines."""
    texts = sorted(text for index in indices if (text := samples.begun[index]) is not None)
    if samples.embed is None or len(texts) < len(indices):
        return math.nan
    vectors = samples.embed(texts)
    kernel = vectors @ vectors.T
    np.fill_diagonal(kernel, 1.0)
    return vendi(kernel) / len(indices)


_NEEDS = frozenset({"embeddings"})

EMBEDDING_SIMILARITY = Measure(
    name="embedding_similarity",
    title="Nearness to the greedy text",
    criterion="typicality",
    unit="cosine of embeddings",
    more="nearer in meaning to what the model writes at T=0",
    low=-1.0,
    high=1.0,
    validity=(
        "A proxy, as good as the embeddings. The published study used the hidden state of the last token only; here it "
        "is the vector that the embedding model gives for the text."
    ),
    source="Peeperkorn et al. 2024, arXiv 2405.00492",
    function=embedding_similarity,
    needs=_NEEDS | {"exemplars"},
    length=WHOLE,
)
EMBEDDING_COHERENCE = Measure(
    name="embedding_coherence",
    title="Nearness of adjacent sentences",
    criterion="coherence",
    unit="cosine of embeddings",
    more="neighbouring sentences are nearer in meaning",
    low=-1.0,
    high=1.0,
    validity="A proxy, as good as the embeddings. Repetition raises it.",
    source="Foltz et al. 1998, doi 10.1080/01638539809545029, with embeddings for LSA",
    function=embedding_coherence,
    needs=_NEEDS,
    length="a mean over pairs: not affected on average",
)
EMBEDDING_VARIETY = Measure(
    name="embedding_variety",
    title="Effective share of different meanings (Vendi)",
    criterion="diversity",
    unit="effective number over the number of samples",
    more="the samples of a cell differ more in meaning",
    low=0.0,
    high=1.0,
    validity="As good as the embeddings. Depends on the number of samples of a cell, which is the same at every T.",
    source="Friedman and Dieng 2022, arXiv 2210.02410",
    function=of_cells(embedding_variety),
    needs=_NEEDS | {"cells"},
    length=WHOLE,
)
