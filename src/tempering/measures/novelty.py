"""Novelty: what a text has that others have not."""

from __future__ import annotations

from collections import Counter

import numpy as np

from tempering.measures.base import Measure, Samples, Values
from tempering.measures.words import words


def unique_word_share(samples: Samples) -> Values:
    """Return the share of a text's different words that occur in no other text of the samples.

    Identical texts (as at T=0) count as one text, so that copies do not hide what is new in them.
    """
    sets = {completion.text: frozenset(words(completion.text)) for completion in samples.completions}
    texts_with = Counter(word for found in sets.values() for word in found)
    share = {
        text: sum(texts_with[word] == 1 for word in found) / len(found) if found else np.nan
        for text, found in sets.items()
    }
    return np.array([share[completion.text] for completion in samples.completions], dtype=np.float64)


UNIQUE_WORD_SHARE = Measure(
    name="unique_word_share",
    title="Words found in no other story",
    criterion="novelty",
    unit="share of a text's different words",
    more="more words that no other text of the study has",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for novelty: on 31 stories rated by 36 people it tracked rated novelty at Spearman .50, and T at .64. "
        "It counts misspelt and broken words as new, so read it beside coherence. It depends on which texts it is "
        "compared with, and rises a little with length."
    ),
    source="Peeperkorn et al. 2024, arXiv 2405.00492, ratings re-analysed",
    function=unique_word_share,
    length="rises a little with it",
)
