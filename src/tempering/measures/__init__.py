"""Completions in, numbers out: one file a criterion. Knows nothing of temperature, statistics or files."""

from __future__ import annotations

from tempering.errors import ParameterError
from tempering.measures.base import Measure
from tempering.measures.cohesion import ADJACENT_OVERLAP
from tempering.measures.diversity import COMPRESSION_RATIO, DISTINCT_2, SELF_REPETITION
from tempering.measures.length import ENDED, TOKENS
from tempering.measures.novelty import UNIQUE_WORD_SHARE
from tempering.measures.perplexity import MEAN_ENTROPY, SELF_PERPLEXITY
from tempering.measures.typicality import EXEMPLAR_SIMILARITY

MEASURES: tuple[Measure, ...] = (
    UNIQUE_WORD_SHARE,
    EXEMPLAR_SIMILARITY,
    ADJACENT_OVERLAP,
    SELF_PERPLEXITY,
    MEAN_ENTROPY,
    DISTINCT_2,
    SELF_REPETITION,
    COMPRESSION_RATIO,
    TOKENS,
    ENDED,
)
"""Every measure of a study, in the order of a report."""


def measure(name: str) -> Measure:
    """Return a measure by its name.

    Raises:
        ParameterError: there is none of that name; the message lists them.

    Example:
        >>> measure("tokens").unit
        'tokens'
    """
    for known in MEASURES:
        if known.name == name:
            return known
    raise ParameterError(f"measure must be one of {', '.join(m.name for m in MEASURES)}, got {name!r}", field="measure")
