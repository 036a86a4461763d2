"""Texts in the making, and the token that each gets at a step. Knows logits and settings, no batch and no cache."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tempering.generation.completion import Completion
from tempering.generation.request import Request
from tempering.models.base import FinishReason, LogitsModel, Prefix
from tempering.params import SamplingParams
from tempering.sampling.distribution import Processed
from tempering.sampling.draw import draw_rows
from tempering.sampling.mirostat import first_mu, next_mu
from tempering.sampling.noise import Keys
from tempering.sampling.penalties import Context
from tempering.sampling.rows import checked_rows

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Alternative:
    """A token that could have stood at a step.

    Attributes:
        token: its id.
        raw: its log-probability under the untouched logits at T=1, nats.
        processed: its log-probability under the settings, nats; -inf outside the kept set.
    """

    token: int
    raw: float
    processed: float


@dataclass
class Row:
    """A text in the making."""

    ticket: int
    request: Request
    prefix: Prefix
    sequence: int
    shown: int
    tokens: list[int] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    processed: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    alternatives: tuple[Alternative, ...] = ()
    mu: float | None = None
    settings: SamplingParams = field(init=False)

    def __post_init__(self) -> None:
        self.settings = replace(self.request.params, seed=0)  # rows that differ in their seed are processed together

    @property
    def begins(self) -> bool:
        """Whether the next token is taken from the request instead of drawn."""
        return len(self.tokens) < len(self.request.begin)

    def finish_reason(self, token: int, info_end: tuple[int, ...], context: int) -> FinishReason | None:
        """Return why the text ends with this token; None if it goes on."""
        if token in info_end:
            return "stop"
        length = len(self.tokens)
        full = length >= self.request.max_tokens or len(self.prefix.tokens) + length >= context
        return "length" if full else None


def draw_tokens(rows: list[Row], logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Draw a token for every row and note its facts; rows of equal settings are processed together."""
    if not np.isfinite(logits.max(axis=1)).all():
        checked_rows(logits)  # raises before any row has changed, and names the row
    seeds = np.array([row.request.params.seed for row in rows], dtype=np.uint64)
    sequences = np.array([row.sequence for row in rows], dtype=np.uint64)
    steps = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
    tokens = np.empty(len(rows), dtype=np.int64)
    for params, group in _groups(rows, lambda row: row.settings).items():
        context = None
        if params.looks_back:
            context = [Context(rows[i].prefix.tokens, tuple(rows[i].tokens), rows[i].mu) for i in group]
        drawn = draw_rows(
            logits[group],
            params,
            Keys(seeds[group], sequences[group], steps[group]),
            context=context,
            whole=any(rows[i].shown or rows[i].begins for i in group),
        )
        tokens[group] = drawn.tokens
        for at, index in enumerate(group):
            row, state = rows[index], drawn.state
            facts = drawn.raw_logprobs[at], drawn.processed_logprobs[at]
            if row.begins and state:
                tokens[index] = row.request.begin[len(row.tokens)]
                facts = state.raw_logprobs[at, tokens[index]], state.logprobs[at, tokens[index]]
            row.raw.append(float(facts[0]))
            row.processed.append(float(facts[1]))
            row.entropies.append(float(drawn.entropies[at]))
            if params.mirostat_tau > 0:
                before = first_mu(params) if row.mu is None else row.mu
                row.mu = float(next_mu(before, row.processed[-1], params))
            row.alternatives = _alternatives(state, at, row.shown) if state else ()
    return tokens


def _alternatives(state: Processed, at: int, count: int) -> tuple[Alternative, ...]:
    """Return the tokens of largest logit in a row, largest first, ties by id."""
    if not count:
        return ()
    scores = state.raw[at]
    best = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
    best = best[np.argsort(-scores[best], kind="stable")][:count]
    return tuple(
        Alternative(int(token), float(state.raw_logprobs[at, token]), float(state.logprobs[at, token]))
        for token in best
    )


def _groups(rows: list[Row], key: Callable[[Row], Key]) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(key(row), []).append(index)
    return groups


def completion_of(model: LogitsModel, row: Row, reason: FinishReason) -> Completion:
    """Return a text that has ended as a completion."""
    length = len(row.tokens)
    return Completion(
        prompt=row.request.prompt,
        text=model.decode(row.tokens),
        tokens=tuple(row.tokens),
        raw_logprobs=tuple(row.raw[:length]),
        processed_logprobs=tuple(row.processed[:length]),
        entropies=tuple(row.entropies),
        finish_reason=reason,
        params=row.request.params,
        prompt_id=row.request.prompt_id,
        sample=row.request.sample,
        model=model.info.identity,
    )
