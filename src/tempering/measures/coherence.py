"""Coherence without a judge: sentences that follow each other, words that exist, pairs that can stand together.

Every measure here is a proxy. Those that need the model itself are in ``rereading.py``.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

import numpy as np

from tempering.measures.base import Measure, Samples, Values
from tempering.measures.training_text import shipped_filter
from tempering.measures.words import sentences, words

DIMENSIONS = 50
_BETWEEN = re.compile(r"[,;:\"()\u2014]|--")
_ENDING = re.compile(r"[.!?…][\"'\u201d\u2019)\]]*$")


def lsa_coherence(samples: Samples) -> Values:
    """Return the mean cosine of adjacent sentences in a latent semantic space; NaN below two sentences.

    The space is made of all sentences of the samples: TF-IDF, then the first 50 singular vectors.
    """
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415 - loaded when used, for a light start
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415

    texts = [sentences(completion.text) for completion in samples.completions]
    every = sorted({sentence for found in texts for sentence in found})
    out = np.full(len(texts), math.nan)
    if len(every) < 3:
        return out
    weights = TfidfVectorizer(analyzer=words, sublinear_tf=True).fit_transform(every)
    dimensions = min(DIMENSIONS, min(weights.shape) - 1)
    if dimensions < 1:
        return out
    vectors = TruncatedSVD(dimensions, random_state=0).fit_transform(weights)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(norms > 0, norms, 1.0)
    place = {sentence: row for row, sentence in enumerate(every)}
    for index, found in enumerate(texts):
        pairs = [float(vectors[place[a]] @ vectors[place[b]]) for a, b in pairwise(found)]
        if pairs:
            out[index] = min(1.0, max(-1.0, math.fsum(pairs) / len(pairs)))
    return out


def nonword_share(samples: Samples) -> Values:
    """Return the share of words that the word list lacks; NaN for texts not in English, or without words."""
    known = shipped_filter()
    out = []
    for completion, own in zip(samples.completions, samples.words, strict=True):
        english = samples.languages[completion.prompt_id] == "English"
        plain = [word.removesuffix("'s") for word in own if not any(sign.isdigit() for sign in word)]
        unknown = 1 - known.known([(word,) for word in plain], 1).mean() if english and plain else math.nan
        out.append(unknown)
    return np.array(out, dtype=np.float64)


def known_pairs(samples: Samples) -> Values:
    """Return the share of pairs of adjacent known words that stand in 8.7 M words of English too.

    Pairs inside a sentence and between marks only. NaN for texts not in English, or without such a pair.
    """
    known = shipped_filter()
    out = []
    for completion in samples.completions:
        if samples.languages[completion.prompt_id] != "English":
            out.append(math.nan)
            continue
        pairs = [
            pair
            for sentence in sentences(completion.text)
            for piece in _BETWEEN.split(sentence)
            for pair in pairwise(words(piece))
        ]
        plain = [word for pair in pairs for word in pair]
        listed = dict(zip(plain, known.known([(word,) for word in plain], 1).tolist(), strict=True))
        there = known.known([pair for pair in pairs if listed[pair[0]] and listed[pair[1]]], 2)
        out.append(float(there.mean()) if len(there) else math.nan)
    return np.array(out, dtype=np.float64)


def sentence_form(samples: Samples) -> Values:
    """Return the share of sentences that have a capital first, a mark last and 2 to 60 words; NaN without any.

    The first sentence, which goes on with the prompt's, and a last one that the token limit cut, are left out.
    """
    out = []
    for completion in samples.completions:
        found = sentences(completion.text)[1:]
        if completion.finish_reason == "length" and found and not _ENDING.search(found[-1].rstrip()):
            found = found[:-1]
        well = [_well_formed(sentence.strip()) for sentence in found]
        out.append(sum(well) / len(well) if well else math.nan)
    return np.array(out, dtype=np.float64)


def _well_formed(sentence: str) -> bool:
    letters = [sign for sign in sentence if sign.isalnum()]
    capital = bool(letters) and not letters[0].islower()
    return capital and bool(_ENDING.search(sentence)) and 2 <= len(words(sentence)) <= 60


LSA_COHERENCE = Measure(
    name="lsa_coherence",
    title="Meaning shared by adjacent sentences",
    criterion="coherence",
    unit="cosine in a latent semantic space",
    more="neighbouring sentences are about more similar things",
    low=-1.0,
    high=1.0,
    validity=(
        "A proxy of unknown validity here. The space is made of the study's own sentences, which are few: it knows "
        "which words go together in them and no more. Repetition raises it."
    ),
    source="Foltz et al. 1998, doi 10.1080/01638539809545029",
    function=lsa_coherence,
    length="a mean over pairs: not affected on average",
)
NONWORD_SHARE = Measure(
    name="nonword_share",
    title="Words that no dictionary has",
    criterion="coherence",
    unit="share of words that the word list lacks",
    more="more broken or invented words",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy, English only. The word list is every word form of 8.7 M words of children's stories, as a hashed "
        "filter (0.4 % of non-words pass): rare, modern and foreign words and names count as non-words, so compare "
        "settings and do not read the level."
    ),
    source="own word list of 42,580 forms, see training/ngram_filter.py",
    function=nonword_share,
    needs=frozenset({"english"}),
    better="lower",
    length="a share of words: not affected on average",
)
KNOWN_PAIRS = Measure(
    name="known_pairs",
    title="Word pairs that English has",
    criterion="coherence",
    unit="share of pairs of adjacent known words",
    more="more words stand side by side that do so in the reference too",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for grammar, English only: both words are in 8.7 M words of children's stories, and the pair is too. "
        "A pair may be rare and right, so compare settings and do not read the level. Blind to agreement over a "
        "distance and to what is said; loops are made of known pairs."
    ),
    source="own, after bigram language models; see training/ngram_filter.py",
    function=known_pairs,
    needs=frozenset({"english"}),
    better="higher",
    length="a share of pairs: not affected on average",
)
SENTENCE_FORM = Measure(
    name="sentence_form",
    title="Well-formed sentences",
    criterion="coherence",
    unit="share of sentences",
    more="more sentences with a capital first, a mark last and 2 to 60 words",
    low=0.0,
    high=1.0,
    validity="A proxy for grammar that sees letters and marks only; verse and lists break it without being incoherent.",
    source="own",
    function=sentence_form,
    better="higher",
    length="a share of sentences: not affected on average",
)
