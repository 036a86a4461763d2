"""Cohesion: whether neighbouring sentences speak of the same things."""

from __future__ import annotations

import math
from itertools import pairwise

from tempering.generation.completion import Completion
from tempering.measures.base import Measure, each
from tempering.measures.words import sentences, words

# Closed-class words say nothing of what a sentence is about. English only: other languages keep all their words.
_FUNCTION_WORDS = """
    a about after again all also an and any are as at be because been before being but by can could did do does down for
    from had has have he her here hers him his how i if in into is it its just me more most my no not now of off on one
    only or other our out over she so some such than that the their them then there these they this those to too up us
    very was we were what when where which while who will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


def adjacent_overlap(completion: Completion) -> float:
    """Return the mean Jaccard overlap of content words between adjacent sentences; NaN below two sentences."""
    content = [set(words(sentence)) - FUNCTION_WORDS for sentence in sentences(completion.text)]
    content = [found for found in content if found]
    pairs = [len(a & b) / len(a | b) for a, b in pairwise(content)]
    return sum(pairs) / len(pairs) if pairs else math.nan


ADJACENT_OVERLAP = Measure(
    name="adjacent_overlap",
    title="Words shared by adjacent sentences",
    criterion="cohesion",
    unit="Jaccard overlap of content words",
    more="neighbouring sentences share more of their words",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for cohesion, of unknown validity here: repetition raises it as well. English function words are left "
        "out; the last sentence may be cut by the token limit."
    ),
    source="argument overlap, McNamara et al. 2014, Coh-Metrix",
    function=each(adjacent_overlap),
    length="a mean over pairs: not affected on average",
)
