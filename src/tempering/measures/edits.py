"""Edit distance: how many characters of a text must change to make it the exemplar of its prompt."""

from __future__ import annotations

import math

import numpy as np

from tempering.measures.base import Measure, Samples, Values


def edit_distance(samples: Samples) -> Values:
    """Return the Levenshtein distance of each text to the exemplar of its prompt, over the length of the longer one."""
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - loaded when used, for a light start

    known: dict[tuple[str, str], float] = {}
    for completion in samples.completions:
        key = completion.prompt_id, completion.text
        if key not in known:
            exemplar = samples.exemplars.get(completion.prompt_id, "")
            known[key] = Levenshtein.normalized_distance(exemplar, completion.text) if exemplar else math.nan
    return np.array([known[c.prompt_id, c.text] for c in samples.completions], dtype=np.float64)


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
        "far apart as two on different stories, so that it soon stops telling them apart. At T=0 it is 0 by definition."
    ),
    source="normalised edit distance to the exemplar, Peeperkorn et al. 2024, arXiv 2405.00492",
    function=edit_distance,
    needs=frozenset({"exemplars"}),
    length="divided by the length of the longer text",
)
