"""Predictability: how surprising a text is to the model that wrote it, and how free its choices were."""

from __future__ import annotations

import math

from tempering.generation.completion import Completion
from tempering.measures.base import Measure, each


def self_perplexity(completion: Completion) -> float:
    """Return exp of the mean negative raw logprob: perplexity under the model itself at T=1; NaN without tokens."""
    logprobs = completion.raw_logprobs
    return math.exp(-math.fsum(logprobs) / len(logprobs)) if logprobs else math.nan


def mean_entropy(completion: Completion) -> float:
    """Return the mean entropy in nats of the distributions that the tokens were drawn from; NaN without steps."""
    entropies = completion.entropies
    return math.fsum(entropies) / len(entropies) if entropies else math.nan


SELF_PERPLEXITY = Measure(
    name="self_perplexity",
    title="Perplexity under the model itself",
    criterion="predictability",
    unit="perplexity at T=1, without truncation",
    more="less likely text in the eyes of the model that wrote it",
    low=1.0,
    high=math.inf,
    validity="Exact. Rises with T by construction; as a sign of quality it is a proxy, and loops are very likely text.",
    source="Jelinek et al. 1977; under the raw distribution as in Peeperkorn et al. 2024",
    function=each(self_perplexity),
    needs=frozenset({"logprobs"}),
    length="a mean over tokens: not affected on average",
)
MEAN_ENTROPY = Measure(
    name="mean_entropy",
    title="Entropy of a step",
    criterion="predictability",
    unit="nats a token, of the distribution drawn from",
    more="freer choices: exp of it is the number of equally likely tokens that would be as random",
    low=0.0,
    high=math.inf,
    validity="Exact. Rises with T by construction.",
    source="Shannon 1948",
    function=each(mean_entropy),
    needs=frozenset({"entropies"}),
    length="a mean over tokens: not affected on average",
)
