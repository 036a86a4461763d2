"""Does a server draw at the temperature it is asked for? Its texts, read with the same model here.

Every text that the server writes is scored with the model that you hold; settings that it might have used are compared
by their likelihood. Knows models by their protocol; knows nothing of HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from tempering.errors import ParameterError, PromptError
from tempering.generation.completion import Completion
from tempering.generation.decode import generate
from tempering.generation.prompts import read_prompt
from tempering.generation.request import Request
from tempering.models.base import LogitsModel, Model, PromptText
from tempering.params import SamplingParams
from tempering.thermometer.likelihood import Tokens, read_temperature
from tempering.thermometer.reading import TEMPERATURES, Scored

CANDIDATES: tuple[tuple[str, SamplingParams], ...] = (
    ("no truncation", SamplingParams()),
    ("top_k=40", SamplingParams(top_k=40)),
    ("top_k=50", SamplingParams(top_k=50)),
    ("top_p=0.9 after T", SamplingParams(top_p=0.9)),
    ("top_p=0.9 before T", SamplingParams(top_p=0.9, order="llama.cpp")),
    ("top_p=0.95 after T", SamplingParams(top_p=0.95)),
    ("top_p=0.95 before T", SamplingParams(top_p=0.95, order="llama.cpp")),
    ("min_p=0.05 after T", SamplingParams(min_p=0.05)),
    ("min_p=0.05 before T", SamplingParams(min_p=0.05, order="llama.cpp")),
    ("top_k=40, top_p=0.95, min_p=0.05 before T", SamplingParams(top_k=40, top_p=0.95, min_p=0.05, order="llama.cpp")),
)
"""What servers do when they are told nothing, by the names that a reader sees."""


FREE = 2.0
"""Nats that a temperature of its own costs an explanation."""


@dataclass(frozen=True)
class Text:
    """One text of the server, in the ids of the model here.

    Attributes:
        asked: the temperature that was asked for.
        prompt: ids before it.
        ids: its ids.
    """

    asked: float
    prompt: tuple[int, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Explanation:
    """How well one truncation explains all texts at the temperatures that were asked for.

    Attributes:
        name: of the truncation, with its place before or after temperature.
        params: the settings, without temperature.
        log_likelihood: nats of all texts, each temperature as asked, or as read if that is likelier by more than the
            2 nats that a free temperature costs; -inf where a token is impossible.
        impossible: how many tokens it cannot have drawn.
        first: the first of them, as (temperature asked, place in its text, id); None if there is none.
    """

    name: str
    params: SamplingParams
    log_likelihood: float
    impossible: int
    first: tuple[float, int, int] | None


@dataclass(frozen=True)
class AskedAndRead:
    """One temperature of the audit.

    Attributes:
        asked: what was asked for.
        read: the temperature that the texts read at under the best explanation.
        low: lower end of the profile-likelihood interval, at 1 - .05 / temperatures.
        high: upper end.
        n: tokens.
        texts: texts.
        honoured: whether the interval holds what was asked; None where nothing can be told.
    """

    asked: float
    read: float
    low: float
    high: float
    n: int
    texts: int
    honoured: bool | None


@dataclass(frozen=True)
class ServerAudit:
    """What a server does with temperature.

    Attributes:
        server: its identity.
        model: the identity of the model that it was read with.
        rows: one a temperature asked.
        explanations: truncations, likeliest first.
    """

    server: str
    model: str
    rows: tuple[AskedAndRead, ...]
    explanations: tuple[Explanation, ...]

    @property
    def honoured(self) -> bool | None:
        """Whether every temperature is honoured that something can be told of; None if there is none."""
        told = [row.honoured for row in self.rows if row.honoured is not None]
        return all(told) if told else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; infinities and undefined numbers are still floats."""
        values = asdict(self) | {"honoured": self.honoured}
        for explanation, one in zip(values["explanations"], self.explanations, strict=True):
            explanation["params"] = one.params.as_dict()
        return values


def audit_server(
    server: Model,
    model: LogitsModel,
    prompts: Sequence[PromptText],
    temperatures: Sequence[float],
    *,
    params: SamplingParams | None = None,
    samples: int = 4,
    max_tokens: int = 48,
) -> ServerAudit:
    """Ask a server for texts at temperatures, and read them.

    Args:
        server: what is audited.
        model: the same weights here; others explain nothing, and read as a T that is not asked for.
        prompts: texts to continue, or conversations.
        temperatures: in [0, inf), each once.
        params: truncation that is sent with them, and is the first explanation; nothing unless given.
        samples: texts of each prompt at each temperature.
        max_tokens: their length.

    Raises:
        ParameterError: no temperature, or one that no server can be asked for.
        PromptError: every text came back empty.
        ServerError: the server cannot be reached, or refuses.
    """
    if not temperatures or not all(0 <= t < math.inf for t in temperatures):
        raise ParameterError("an audit needs temperatures in [0, inf)", field="temperatures")
    sent = params or SamplingParams()
    requests = [
        Request(prompt, replace(sent, temperature=t), sample, max_tokens=max_tokens)
        for t in temperatures
        for prompt in prompts
        for sample in range(samples)
    ]
    texts = [text for done in generate(server, requests) if (text := _text_of(model, done)).ids]
    if not texts:
        raise PromptError("every text of the server is empty: nothing can be read")
    named = [("as asked", sent)] if params and params != SamplingParams() else []
    found = explain(model, texts, [*named, *CANDIDATES])
    confidence = 1 - 0.05 / len(temperatures)
    rows = tuple(_row(model, t, [x for x in texts if x.asked == t], found[0].params, confidence) for t in temperatures)
    return ServerAudit(server.info.identity, model.info.identity, rows, tuple(found))


def _text_of(model: LogitsModel, done: Completion) -> Text:
    """Return a text in the model's ids: cut as its tokenizer cuts it after the prompt."""
    before = read_prompt(model, done.prompt).tokens
    if isinstance(done.prompt, str):
        ids = model.encode(done.prompt + done.text)[len(before) :]
    else:
        ids = model.encode(done.text)[len(model.encode("")) :]
    room = model.info.context - len(before)
    return Text(done.params.temperature, before, tuple(done.tokens or ids)[:room])


def explain(
    model: LogitsModel, texts: Sequence[Text], candidates: Sequence[tuple[str, SamplingParams]]
) -> list[Explanation]:
    """Return how well each truncation explains texts, likeliest first.

    A server that does not honour T is explained at the temperature that its texts read at, not at the one asked for,
    else a truncation would be blamed. Where nothing is possible, the fewest impossible tokens come first.
    """
    asked = sorted({text.asked for text in texts})
    totals = [0.0] * len(candidates)
    outside = [0] * len(candidates)
    firsts: list[tuple[float, int, int] | None] = [None] * len(candidates)
    for temperature in asked:  # the logits of one temperature are held at a time
        scored = _scored(model, [text for text in texts if text.asked == temperature])
        read = _exact(scored, SamplingParams(), 0.95)[0]
        for at, (_, params) in enumerate(candidates):
            ways = [_way(scored, replace(params, temperature=t), temperature) for t in (temperature, read)]
            likelihood, missing, first = max(
                (ways[0], (ways[1][0] - FREE, *ways[1][1:])), key=lambda way: (way[0], -way[1])
            )
            totals[at] += likelihood
            outside[at] += missing
            firsts[at] = firsts[at] or first
    found = [Explanation(*candidates[at], totals[at], outside[at], firsts[at]) for at in range(len(candidates))]
    return sorted(found, key=lambda one: (-one.log_likelihood, one.impossible))


def _scored(model: LogitsModel, texts: Sequence[Text]) -> list[Scored]:
    return [Scored.of(model, text.prompt, text.ids) for text in texts]


def _way(
    texts: Sequence[Scored], setting: SamplingParams, asked: float
) -> tuple[float, int, tuple[float, int, int] | None]:
    """Return the log-likelihood of texts under a setting, how many ids are impossible, and the first of them."""
    total, missing, first = 0.0, 0, None
    for text in texts:
        own = text.logprobs(setting)
        total += float(own.sum())
        if len(missed := np.flatnonzero(np.isneginf(own))):
            missing += len(missed)
            first = first or (asked, int(missed[0]), text.ids[missed[0]])
    return total, missing, first


def _row(
    model: LogitsModel, asked: float, texts: Sequence[Text], params: SamplingParams, confidence: float
) -> AskedAndRead:
    n = sum(len(text.ids) for text in texts)
    if not n:
        return AskedAndRead(asked, math.nan, math.nan, math.nan, 0, len(texts), None)
    scored = _scored(model, texts)
    try:
        read = _exact(scored, params, confidence)
    except ParameterError:
        read = _on_a_grid(scored, params, confidence)
    temperature, low, high = read
    told = not math.isnan(temperature)
    return AskedAndRead(asked, temperature, low, high, n, len(texts), bool(low <= asked <= high) if told else None)


def _exact(texts: Sequence[Scored], params: SamplingParams, confidence: float) -> tuple[float, float, float]:
    """Read texts under a kept set that T does not move; tokens outside it are left out, as they say nothing of T."""
    parts = [tokens.at(np.isfinite(tokens.own)) for tokens in (text.tokens(params) for text in texts)]
    if not sum(map(len, parts)):
        return math.nan, math.nan, math.nan
    reading = read_temperature(Tokens.joined(parts), confidence=confidence)
    return reading.temperature, reading.low, reading.high


def _on_a_grid(texts: Sequence[Scored], params: SamplingParams, confidence: float) -> tuple[float, float, float]:
    """Read texts under a kept set that moves with T, on the temperatures of a grid; the interval ends on it."""

    @cache
    def at(place: int) -> float:
        setting = replace(params, temperature=float(TEMPERATURES[place]))
        return sum(float(text.logprobs(setting).sum()) for text in texts)

    # Every fourth first, then the others near the best; all of them only where none is possible.
    whole = range(len(TEMPERATURES))
    best = max(whole[::4], key=at)
    best = max(whole if np.isneginf(at(best)) else whole[max(best - 3, 0) : best + 4], key=at)
    if np.isneginf(at(best)):
        return math.nan, math.nan, math.nan
    level = at(best) - float(special.chdtri(1, 1 - confidence)) / 2
    # The ends lie between grid points: the first ones outside are the honest ends.
    low = next((place for place in range(best, 0, -1) if at(place) < level), 0)
    high = next((place for place in whole[best:] if at(place) < level), whole[-1])
    return float(TEMPERATURES[best]), float(TEMPERATURES[low]), float(TEMPERATURES[high])
