"""Length, and whether a text came to an end by itself."""

from __future__ import annotations

import math

from tempering.measures.base import Measure, each

TOKENS = Measure(
    name="tokens",
    title="Length",
    criterion="length",
    unit="tokens",
    more="longer text",
    low=0.0,
    high=math.inf,
    validity="Exact, but cut at the token limit.",
    source="a count",
    function=each(lambda completion: math.nan if completion.token_count is None else completion.token_count),
    length="it is the length",
)
ENDED = Measure(
    name="ended",
    title="Stories that came to an end",
    criterion="length",
    unit="share of texts that the model ended",
    more="more texts end before the token limit",
    low=0.0,
    high=1.0,
    validity="Exact, but depends on the token limit.",
    source="a count of finish reasons",
    function=each(lambda completion: float(completion.finish_reason == "stop")),
    length="depends on the token limit",
)
