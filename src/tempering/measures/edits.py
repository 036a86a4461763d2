"""Edit distance: how many characters of a text must change to make it the exemplar of its prompt."""

from __future__ import annotations

import math

import numpy as np

from tempering.measures.base import Measure, Samples, Values


def edit_distance(samples: Samples) -> Values:
    """Return the Levenshtein distance of each text's beginning to that of the exemplar, over the longer one's length.

    Both end after ``samples.characters`` characters; NaN for a text that has fewer, and without an exemplar.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - loaded when used, for a light start

    size, out = samples.characters, []
    for completion in samples.completions:
        exemplar, text = samples.exemplars.get(completion.prompt_id, "")[:size], completion.text[:size]
        compared = exemplar and len(text) == size
        out.append(Levenshtein.normalized_distance(exemplar, text) if compared else math.nan)
    return np.array(out, dtype=np.float64)


EDIT_DISTANCE = Measure(
    name="edit_distance",
    title="Edit distance to the greedy text",
    criterion="typicality",
    unit="share of the longer text's characters",
    more="more characters must change to make it what the model writes at T=0",
    low=0.0,
    high=1.0,
    validity=(
        "A proxy for being untypical, of unknown validity: two texts on the same story in other words are almost as "
        "far apart as two on different stories, so that it soon stops telling them apart. At T=0 it is 0 by "
        "definition. The publication compared whole stories."
    ),
    source="normalised edit distance to the exemplar, Peeperkorn et al. 2024, arXiv 2405.00492",
    function=edit_distance,
    needs=frozenset({"exemplars"}),
    length="the first 400 characters, or fewer where the texts of a study are shorter",
)
