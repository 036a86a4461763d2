"""Novelty: what a text has that others have not. The others are the texts of the study, or the prompt's exemplar."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from tempering.measures.base import WINDOWS, Measure, Samples, Values
from tempering.measures.words import windows, words


def unique_word_share(samples: Samples) -> Values:
    """Return the share of a text's different words that occur in no other text of the samples.

    A mean over windows of equal length. Identical texts (as at T=0) count as one, so that copies do not hide what is
    new in them.
    """
    sets = {completion.text: frozenset(own) for completion, own in zip(samples.completions, samples.words, strict=True)}
    texts_with = Counter(word for found in sets.values() for word in found)
    return _share(samples, lambda _prompt, word: texts_with[word] == 1)


def new_word_share(samples: Samples) -> Values:
    """Return the share of a text's different words that its prompt's exemplar does not have; NaN without one."""
    known = {prompt: frozenset(words(text)) for prompt, text in samples.exemplars.items()}
    shares = _share(samples, lambda prompt, word: word not in known.get(prompt, ()))
    without = [completion.prompt_id not in known for completion in samples.completions]
    return np.where(without, np.nan, shares)


def _share(samples: Samples, new: Callable[[str, str], bool]) -> Values:
    """Return the share of new words among the different words of a window, mean over a text's windows."""
    out = []
    for completion, own in zip(samples.completions, samples.words, strict=True):
        shares = []
        for window in windows(own, samples.budget):
            found = set(window)
            shares.append(sum(new(completion.prompt_id, word) for word in found) / len(found))
        out.append(math.fsum(shares) / len(shares) if shares else math.nan)
    return np.array(out, dtype=np.float64)


UNIQUE_WORD_SHARE = Measure(
    name="unique_word_share",
    title="Words found in no other story",
    criterion="novelty",
    unit="share of the different words of a window",
    more="more words that no other text of the study has",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for novelty: on 31 stories rated by 36 people it tracked rated novelty at Spearman .50, and T at .64 "
        "(there over whole stories). It counts misspelt and broken words as new, so read it beside coherence. It "
        "depends on which texts it is compared with."
    ),
    source="Peeperkorn et al. 2024, arXiv 2405.00492, ratings re-analysed",
    function=unique_word_share,
    length=WINDOWS,
)
NEW_WORD_SHARE = Measure(
    name="new_word_share",
    title="Words that the greedy text lacks",
    criterion="novelty",
    unit="share of the different words of a window",
    more="more words that are not in what the model writes at T=0",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for novelty against the exemplar, which is what the published raters were asked about: on 31 stories "
        "it tracked rated novelty at Spearman .50 (there over whole stories). Broken words count as new. At T=0 it is "
        "0 by definition."
    ),
    source="Peeperkorn et al. 2024, arXiv 2405.00492, ratings re-analysed",
    function=new_word_share,
    needs=frozenset({"exemplars"}),
    length=WINDOWS,
)
