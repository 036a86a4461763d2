"""Cohesion: whether neighbouring sentences speak of the same things and say how they hang together."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from tempering.measures.base import Measure, Samples, Values
from tempering.measures.language import CONNECTIVES, FUNCTION_WORDS
from tempering.measures.words import sentences, words

GRID = 4
"""Sentences of one entity grid: a longer text is several grids, so that length does not matter."""

_EVERY = frozenset().union(*FUNCTION_WORDS.values())


def content_words(text: str, language: str | None) -> list[frozenset[str]]:
    """Return the content words of each sentence, sentences without any left out.

    Closed-class words say nothing of what a sentence is about. In a language that is not recognised those of every
    known one are left out.

    Example:
        >>> [sorted(found) for found in content_words("The fox saw a boat. It was so.", "English")]
        [['boat', 'fox', 'saw']]
    """
    closed = FUNCTION_WORDS.get(language or "", _EVERY)
    found = (frozenset(words(sentence)) - closed for sentence in sentences(text))
    return [own for own in found if own]


def adjacent_overlap(samples: Samples) -> Values:
    """Return the mean Jaccard overlap of content words between adjacent sentences; NaN below two sentences."""
    out = []
    for completion in samples.completions:
        content = content_words(completion.text, samples.languages[completion.prompt_id])
        pairs = [len(a & b) / len(a | b) for a, b in pairwise(content)]
        out.append(sum(pairs) / len(pairs) if pairs else math.nan)
    return np.array(out, dtype=np.float64)


def entity_continuity(samples: Samples) -> Values:
    """Return how often an entity of a sentence is there in the next one too; NaN below four sentences.

    The grid has a row for each sentence and a column for each content word of at least two of them; the value is the
    share of [present, present] among the transitions that are not [absent, absent], over grids of four sentences.
    """
    out = []
    for completion in samples.completions:
        content = content_words(completion.text, samples.languages[completion.prompt_id])
        grids = [content[begin : begin + GRID] for begin in range(0, len(content) - GRID + 1, GRID)]
        out.append(_continuity(grids))
    return np.array(out, dtype=np.float64)


def _continuity(grids: list[list[frozenset[str]]]) -> float:
    """Return the share of continued transitions, pooled over grids; 0 where no word comes twice."""
    if not grids:
        return math.nan
    kept = some = 0
    for grid in grids:
        entities = {word for row in grid for word in row if sum(word in other for other in grid) > 1}
        for before, after in pairwise(grid):
            kept += len(before & after & entities)
            some += len((before | after) & entities)
    return kept / some if some else 0.0


def connectives(samples: Samples) -> Values:
    """Return how many connectives a text has in 100 words; NaN for a language without a list, or without words."""
    out = []
    for completion, own in zip(samples.completions, samples.words, strict=True):
        listed = CONNECTIVES.get(samples.languages[completion.prompt_id] or "")
        if listed is None or not own:
            out.append(math.nan)
            continue
        longest = max(len(item.split()) for item in listed)
        count, place = 0, 0
        while place < len(own):
            size = next((k for k in range(longest, 0, -1) if " ".join(own[place : place + k]) in listed), 0)
            count, place = count + (size > 0), place + max(size, 1)
        out.append(100 * count / len(own))
    return np.array(out, dtype=np.float64)


ADJACENT_OVERLAP = Measure(
    name="adjacent_overlap",
    title="Words shared by adjacent sentences",
    criterion="cohesion",
    unit="Jaccard overlap of content words",
    more="neighbouring sentences share more of their words",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for cohesion, of unknown validity here: repetition raises it as well. Function words of the language "
        "are left out; the last sentence may be cut by the token limit."
    ),
    source="argument overlap, McNamara et al. 2014, Coh-Metrix",
    function=adjacent_overlap,
    length="a mean over pairs: not affected on average",
)
ENTITY_CONTINUITY = Measure(
    name="entity_continuity",
    title="Entities carried on",
    criterion="cohesion",
    unit="share of transitions, in grids of four sentences",
    more="what a sentence speaks of is there in the next one too",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for cohesion, of unknown validity here: the entity grid without roles, with content words as "
        "entities, as pronouns are not resolved. Repetition raises it as well."
    ),
    source="Barzilay and Lapata 2008, doi 10.1162/coli.2008.34.1.1, without syntactic roles",
    function=entity_continuity,
    length="in grids of four sentences",
)
CONNECTIVE_RATE = Measure(
    name="connectives",
    title="Connectives",
    criterion="cohesion",
    unit="in 100 words",
    more="more words such as because, then and although",
    low=0.0,
    high=100.0,
    validity=(
        "A proxy for cohesion, of unknown validity here: it counts words, not whether they connect what they should. "
        "English and Portuguese only."
    ),
    source="connective incidence, McNamara et al. 2014, Coh-Metrix; own lists",
    function=connectives,
    needs=frozenset({"language"}),
    length="a rate: not affected on average",
)
