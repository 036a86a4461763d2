"""What the model says of a text when it reads it again: how typical it is, how far T leaked, whether order counts.

Needs the model that wrote the texts and takes half as long as the generation (order gain: as long again). A study reads
some of its texts anyway, and these have the measures of one reading without more cost. Knows models by their protocol.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from tempering.errors import PromptError
from tempering.generation.completion import Completion
from tempering.generation.prompts import read_prompt
from tempering.measures.base import Measure, Samples, Values
from tempering.measures.words import sentences
from tempering.models.base import LogitsModel
from tempering.sampling.facts import facts
from tempering.sampling.penalties import Context

STEPS = 16
"""Steps of a text that are looked at, evenly spaced: their mean is the text's at a tenth of the cost."""

READINGS = ("leak_mass", "n95", "surprisal_gap")
SENTENCES = 5
SHUFFLES = 3


def read_again(samples: Samples) -> dict[str, Values]:
    """Return what one reading of each text gives, by name, see ``reading_of``.

    Without a model, what was read before; NaN for a text that was not, or that has no token ids.
    """
    model, out = samples.model, {name: np.full(len(samples.completions), math.nan) for name in READINGS}
    for index, completion in enumerate(samples.completions):
        found = samples.read.get((completion.prompt_id, completion.params.temperature, completion.sample), {})
        if model is not None and completion.tokens:
            before = read_prompt(model, completion.prompt).tokens
            found = reading_of(model.score((*before, *completion.tokens[:-1]))[len(before) - 1 :], completion, before)
        for name, value in found.items():
            out[name][index] = value
    return out


def reading_of(logits: NDArray[np.float32], completion: Completion, before: Sequence[int]) -> dict[str, float]:
    """Return what the logits along a text say of it.

    ``leak_mass``: mean mass drawn from outside the smallest set with 90 % of the mass at T=1; ``n95``: mean number of
    tokens that hold 95 % of the mass drawn from, both at up to 16 steps; ``surprisal_gap``: mean of -log p - H over all
    tokens, both at T=1 without truncation, in nats.

    Args:
        logits: untouched, of every token of the text, shape [tokens, vocab].
        completion: the text, with at least one token.
        before: the ids of its prompt.
    """
    steps = np.unique(np.linspace(0, len(logits) - 1, min(STEPS, len(logits))).round().astype(int))
    contexts = [Context(tuple(before), completion.tokens[:step]) for step in steps]
    known = facts(logits[steps], completion.params, contexts)
    values = known.leak_mass.mean(), known.n95.mean(), _gap(logits, completion.tokens)
    return dict(zip(READINGS, map(float, values), strict=True))


def _gap(logits: NDArray[np.float32], tokens: tuple[int, ...]) -> float:
    """Return the mean surprisal of the tokens less the mean entropy of their distributions, nats."""
    logprobs = _log_softmax(logits)
    # -inf marks a masked token: it has no part in the entropy.
    p = np.exp(logprobs)
    entropy = -(p * np.where(p > 0, logprobs, 0.0)).sum(axis=1)
    return float(np.mean(-logprobs[np.arange(len(tokens)), list(tokens)] - entropy))


def _read(name: str) -> Callable[[Samples], Values]:
    """Return the measure that is a part of one reading."""
    return lambda samples: samples.readings[name]


def order_gain(samples: Samples) -> Values:
    """Return by how many nats a token a text is likelier than with its sentences shuffled; NaN below three sentences.

    The first sentence goes on with the prompt's and stays where it is; the next five whole ones are compared with up to
    three shuffles, which depend on nothing but the text.
    """
    if samples.model is None:
        return np.full(len(samples.completions), math.nan)
    return np.array([_gain(samples.model, completion) for completion in samples.completions], dtype=np.float64)


def _gain(model: LogitsModel, completion: Completion) -> float:
    found = [sentence.strip() for sentence in sentences(completion.text)]
    if completion.finish_reason == "length":
        found = found[:-1]
    first, rest = found[:1], found[1 : SENTENCES + 1]
    orders = _shuffles(len(rest), completion.text)
    if not orders:
        return math.nan
    try:
        own = _likelihood(model, completion, first, rest)
        others = [_likelihood(model, completion, first, [rest[place] for place in order]) for order in orders]
    except PromptError:  # prompt and text do not fit the context when the text is cut into other tokens
        return math.nan
    return own - math.fsum(others) / len(others)


def _shuffles(count: int, text: str) -> list[tuple[int, ...]]:
    """Return up to three different orders of so many sentences, none of them the given one."""
    others = [order for order in permutations(range(count)) if order != tuple(range(count))]
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    chosen = np.random.default_rng(seed).permutation(len(others))[:SHUFFLES]
    return [others[place] for place in chosen]


def _likelihood(model: LogitsModel, completion: Completion, first: Sequence[str], rest: Sequence[str]) -> float:
    """Return the mean logprob of a token of the rest after prompt and first sentence, in nats."""
    before = read_prompt(model, completion.prompt).tokens
    # A model may put a mark before a text; it stands before the prompt already.
    mark = len(model.encode(""))
    start = [*before, *model.encode(" " + first[0])[mark:]]
    tokens = model.encode(" " + " ".join(rest))[mark:]
    if len(start) + len(tokens) > model.info.context:
        raise PromptError(f"prompt and text do not fit the context of {model.info.name}")
    logprobs = _log_softmax(model.score((*start, *tokens[:-1]))[len(start) - 1 :])
    return float(logprobs[np.arange(len(tokens)), tokens].mean())


def _log_softmax(logits: NDArray[np.float32]) -> Values:
    """Return log-probabilities at T=1, shape as the logits."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


_READING, _MODEL = frozenset({"reading"}), frozenset({"model"})

SURPRISAL_GAP = Measure(
    name="surprisal_gap",
    title="Surprisal above the typical",
    criterion="typicality",
    unit="nats a token, surprisal - entropy, at T=1",
    more="less likely text than the model would typically write; below 0 it is likelier than typical",
    low=-math.inf,
    high=math.inf,
    validity=(
        "Exact as to the model: 0 is what a long text drawn at T=1 has on average. That human text stays near 0 is an "
        "observation on language, not a rating; no link with rated typicality is known."
    ),
    source="local typicality, Meister et al. 2022, arXiv 2202.00666",
    function=_read("surprisal_gap"),
    needs=_READING,
    length="a mean over tokens: not affected on average",
)
ORDER_GAIN = Measure(
    name="order_gain",
    title="What the order of sentences is worth",
    criterion="coherence",
    unit="nats a token, against shuffled sentences, under the model",
    more="the sentences follow from each other: shuffled, the model finds them less likely",
    low=-math.inf,
    high=math.inf,
    validity=(
        "A proxy for coherence in the eyes of the model that wrote the text: a small model knows little of what "
        "follows from what. Loops have none, as their order does not count."
    ),
    source="shuffle test, Barzilay and Lapata 2008; under the model itself, Laban et al. 2021",
    function=order_gain,
    needs=_MODEL,
    better="higher",
    length="five sentences after the first, two at least",
)
LEAK_MASS = Measure(
    name="leak_mass",
    title="Mass on tokens that are unlikely at T=1",
    criterion="predictability",
    unit="share of the mass, outside the top 90 % of T=1",
    more="more of the draw comes from tokens outside the core of the model's distribution",
    low=0.0,
    high=1.0,
    validity=(
        "Exact, at up to 16 steps of a text. Over models it ranked judged creativity at .92 and could not tell T=0.3 "
        "from 0.8 (arXiv 2606.01451). Rises with T by construction."
    ),
    source="arXiv 2606.01451",
    function=_read("leak_mass"),
    needs=_READING,
    length="a mean over steps: not affected on average",
)
N95 = Measure(
    name="n95",
    title="Tokens that hold 95 % of the mass",
    criterion="predictability",
    unit="tokens, mean of up to 16 steps",
    more="freer choices",
    low=1.0,
    high=math.inf,
    validity="Exact, at up to 16 steps of a text. Rises with T by construction; a few flat steps decide its mean.",
    source="arXiv 2606.01451",
    function=_read("n95"),
    needs=_READING,
    length="a mean over steps: not affected on average",
)
