"""Batched decoding: requests in, completions out. Knows models by their protocol; knows nothing of studies or files.

Every token is a pure function of (seed, prompt id, sample index, step, logits), so the texts do not depend on the size
of the batch, on what else is in it, or on the order in which rows join and leave. There is one loop, ``Decoder``:
``generate`` feeds it from a list of requests, a server from its clients.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ChatTemplateError, LogitsError, ParameterError, PromptError
from tempering.generation.completion import Completion
from tempering.generation.served import generate_served
from tempering.models.base import (
    ChatModel,
    FinishReason,
    LogitsModel,
    Model,
    Prefix,
    PromptText,
    TextModel,
    require_logits,
    shown_prompt,
)
from tempering.params import SamplingParams
from tempering.sampling.distribution import Processed
from tempering.sampling.draw import draw_rows
from tempering.sampling.mirostat import first_mu, next_mu
from tempering.sampling.noise import gumbel, sequence_of
from tempering.sampling.penalties import Context
from tempering.sampling.plan import pays
from tempering.sampling.rows import checked_rows

BATCH = 64

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Request:
    """One text to generate.

    Attributes:
        prompt: the text to continue, or the messages to answer.
        params: the settings of the draw, with the seed.
        sample: the index among the texts of the same prompt and settings, >= 0; part of the noise's key.
        prompt_id: what the noise of the prompt is keyed by; the prompt itself unless given.
        max_tokens: the longest it may become, >= 1.
        begin: ids that the text begins with, taken instead of drawn; what follows is drawn with the noise of its own
            step, so a text that begins with its own tokens goes on as it did.
    """

    prompt: PromptText
    params: SamplingParams = field(default_factory=SamplingParams)
    sample: int = 0
    prompt_id: str = ""
    max_tokens: int = 100
    begin: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.prompt:
            raise PromptError("the prompt is empty")
        if self.max_tokens < 1:
            raise ParameterError(f"max_tokens must be at least 1, got {self.max_tokens}", field="max_tokens")
        if self.sample < 0:
            raise ParameterError(f"sample must be at least 0, got {self.sample}", field="sample")
        if not self.prompt_id:
            object.__setattr__(self, "prompt_id", shown_prompt(self.prompt))


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


@dataclass(frozen=True)
class Drawn:
    """One token of one text, as it came.

    Attributes:
        ticket: which text, see ``Decoder.add``.
        request: what was asked for.
        token: its id; an end-of-text token too.
        raw: its log-probability under the untouched logits at T=1, nats.
        processed: its log-probability under the settings, nats.
        entropy: of the distribution under the settings, nats.
        alternatives: the tokens of largest logit at this step, as many as were asked for.
        prompt_tokens: how many ids the prompt has.
        completion: the whole text, if this token ends it.
    """

    ticket: int
    request: Request
    token: int
    raw: float
    processed: float
    entropy: float
    alternatives: tuple[Alternative, ...]
    prompt_tokens: int
    completion: Completion | None


@dataclass
class _Row:
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
        params = self.request.params
        # Rows that differ in their seed only are processed together where the noise comes from outside the draw.
        own_seed = pays(len(self.prefix.logits)) or params.xtc_probability > 0
        self.settings = params if own_seed else replace(params, seed=0)

    @property
    def begins(self) -> bool:
        """Whether the next token is taken from the request instead of drawn."""
        return len(self.tokens) < len(self.request.begin)

    def finish_reason(self, token: int, info_end: tuple[int, ...], context: int) -> FinishReason | None:
        if token in info_end:
            return "stop"
        length = len(self.tokens)
        full = length >= self.request.max_tokens or len(self.prefix.tokens) + length >= context
        return "length" if full else None


class Decoder:
    """A running batch: texts join it, get one token a step, and leave it.

    Args:
        model: gives the logits.
        size: how many texts are decoded together, >= 1; changes speed, never text.

    Raises:
        ParameterError: size is below 1.

    Example:
        >>> from tempering import load_model
        >>> decoder = Decoder(load_model("embedded"), 4)
        >>> ticket = decoder.add(Request("Once upon a time", max_tokens=2))
        >>> [drawn.completion is None for _ in range(2) for drawn in decoder.step()]
        [True, False]
    """

    def __init__(self, model: LogitsModel, size: int = BATCH) -> None:
        _check_size(size)
        self.model, self.size = model, size
        self._batch = model.batch(size)
        self._prefixes = _Prefixes(model)
        self._rows: list[_Row] = []
        self._logits = np.empty((0, model.info.vocabulary), dtype=np.float32)
        self._tickets = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def free(self) -> int:
        """How many texts can join now."""
        return self.size - len(self._rows)

    def add(self, request: Request, alternatives: int = 0) -> int:
        """Let a text join; return its ticket. ``alternatives`` is how many tokens a step are told besides the drawn.

        Raises:
            PromptError: the prompt is empty or fills the model's context.
            ParameterError: there is no room, or ``begin`` holds an id outside the vocabulary.
        """
        if not self.free:
            raise ParameterError(f"the batch is full: it holds {self.size} texts", field="batch_size")
        vocabulary = self.model.info.vocabulary
        if not all(0 <= token < vocabulary for token in request.begin):
            raise ParameterError(f"begin must be ids in [0, {vocabulary})", field="begin")
        prefix = self._prefixes.of(request.prompt)
        sequence = sequence_of(request.prompt_id, request.sample)
        self._batch.place(len(self._rows), prefix)
        self._tickets += 1
        self._rows.append(_Row(self._tickets, request, prefix, sequence, min(alternatives, vocabulary)))
        self._logits = np.concatenate([self._logits, prefix.logits[None]])
        return self._tickets

    def remove(self, ticket: int) -> bool:
        """Let a text go before its end; return whether it was there."""
        for index, row in enumerate(self._rows):
            if row.ticket == ticket:
                self._take_out(index)
                return True
        return False

    def refused(self) -> list[tuple[int, LogitsError]]:
        """Let the texts go whose logits must not be sampled; return their tickets with the errors."""
        found = []
        for index in np.flatnonzero(~np.isfinite(self._logits.max(axis=1)))[::-1].tolist():
            try:
                checked_rows(self._logits[index])
            except LogitsError as problem:
                found.append((self._rows[index].ticket, problem))
                self._take_out(index)
        return found

    def step(self) -> list[Drawn]:
        """Give every text one token; return the tokens. Texts that end leave.

        Raises:
            LogitsError: a row must not be sampled; nothing has changed.
        """
        if not self._rows:
            return []
        info = self.model.info
        tokens, drawn = _draw(self._rows, self._logits), list[Drawn]()
        for index in range(len(self._rows) - 1, -1, -1):  # from the end, so that a moved row has had its turn
            row, token = self._rows[index], int(tokens[index])
            if token not in info.end_tokens:
                row.tokens.append(token)
            reason = row.finish_reason(token, info.end_tokens, info.context)
            done = _completion(self.model, row, reason) if reason else None
            facts = row.raw[-1], row.processed[-1], row.entropies[-1], row.alternatives, len(row.prefix.tokens)
            drawn.append(Drawn(row.ticket, row.request, token, *facts, done))
            if reason:
                if index < len(self._rows) - 1:
                    tokens[index] = tokens[len(self._rows) - 1]
                self._drop(index)
        count = len(self._rows)
        self._logits = self._batch.step(tokens[:count]) if count else self._logits[:0]
        return drawn

    def _drop(self, index: int) -> None:
        """Take a row out; the last one takes its place."""
        last = self._rows.pop()
        if index < len(self._rows):
            self._rows[index] = last
            self._batch.copy(len(self._rows), index)

    def _take_out(self, index: int) -> None:
        """Drop a row between two steps, with its scores."""
        self._drop(index)
        kept = list(range(len(self._rows)))
        if index < len(kept):
            kept[index] = len(kept)
        self._logits = self._logits[kept]


def generate(
    model: Model,
    requests: Iterable[Request],
    *,
    batch_size: int = BATCH,
    on_token: Callable[[Request, int], None] | None = None,
    on_text: Callable[[Request, str], None] | None = None,
) -> Iterator[Completion]:
    """Yield a completion for each request, in the order in which they finish.

    Args:
        model: gives the logits, or the text (see ``generation.served``).
        requests: what to generate; read as rows become free, so it may be a generator.
        batch_size: how many texts are decoded together, >= 1; changes speed, never text.
        on_token: called with the request and each token as it is drawn (end tokens excepted); a server tells no ids.
        on_text: called with the request and each piece of text as a server sends it.

    Raises:
        PromptError: a prompt is empty, or fills the model's context.
        ParameterError: batch_size is below 1.
        LogitsError: the model gave logits that must not be sampled.

    Example:
        >>> from tempering import load_model
        >>> [text] = generate(load_model("embedded"), [Request("Once upon a time", max_tokens=5)])
        >>> len(text.tokens), text.finish_reason
        (5, 'length')
    """
    if isinstance(model, TextModel):
        _check_size(batch_size)
        yield from generate_served(model, requests, on_text=on_text)
        return
    decoder, waiting = Decoder(model, batch_size), iter(requests)
    while True:
        while decoder.free and (request := next(waiting, None)) is not None:
            decoder.add(request)
        if not len(decoder):
            return
        for drawn in decoder.step():
            if on_token and drawn.token not in model.info.end_tokens:
                on_token(drawn.request, drawn.token)
            if drawn.completion:
                yield drawn.completion


def _check_size(size: int) -> None:
    if size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {size}", field="batch_size")


def _draw(rows: list[_Row], logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Draw a token for every row and note its facts; rows of equal settings are processed together."""
    if not np.isfinite(logits.max(axis=1)).all():
        checked_rows(logits)  # raises before any row has changed, and names the row
    steps = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
    sequences = np.array([row.sequence for row in rows], dtype=np.uint64)
    tokens = np.empty(len(rows), dtype=np.int64)
    vocabulary = logits.shape[1]
    noise = None
    if not pays(vocabulary):  # where kernels draw, they make only what they need of it
        noise = np.empty((len(rows), vocabulary))
        for seed, by_seed in _groups(rows, lambda row: row.request.params.seed).items():
            noise[by_seed] = gumbel(seed, sequences[by_seed], steps[by_seed], vocabulary)
    for params, group in _groups(rows, lambda row: row.settings).items():
        context = None
        if params.looks_back:
            context = [Context(rows[i].prefix.tokens, tuple(rows[i].tokens), rows[i].mu) for i in group]
        drawn = draw_rows(
            logits[group],
            params,
            rows[group[0]].request.params.seed,
            sequences[group],
            steps[group],
            context=context,
            noise=None if noise is None else noise[group],
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


def _groups(rows: list[_Row], key: Callable[[_Row], Key]) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(key(row), []).append(index)
    return groups


def _completion(model: LogitsModel, row: _Row, reason: FinishReason) -> Completion:
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


class _Prefixes:
    """Reads each prompt once; keeps the last few, as requests come prompt by prompt or temperature by temperature."""

    KEEP = 64

    def __init__(self, model: LogitsModel) -> None:
        self.model = model
        self.known: dict[PromptText, Prefix] = {}

    def of(self, prompt: PromptText) -> Prefix:
        if prompt not in self.known:
            self.known[prompt] = read_prompt(self.model, prompt)
            if len(self.known) > self.KEEP:
                self.known.pop(next(iter(self.known)))
        return self.known[prompt]


def read_prompt(model: Model, prompt: PromptText) -> Prefix:
    """Return the prefix of a prompt, with room for at least one token after it.

    Raises:
        PromptError: the prompt is empty or fills the model's context.
        ChatTemplateError: the prompt is a conversation, and the model has no template or its template refuses it.
        NoLogitsError: the model gives text only.
    """
    model = require_logits(model)
    if not prompt:
        raise PromptError("the prompt is empty")
    tokens, context = _encoded(model, prompt), model.info.context
    if len(tokens) >= context:
        raise PromptError(f"the prompt has {len(tokens)} tokens; the context of {model.info.name} holds {context}")
    return model.prefill(tokens)


def _encoded(model: LogitsModel, prompt: PromptText) -> list[int]:
    if isinstance(prompt, str):
        return model.encode(prompt)
    if not isinstance(model, ChatModel):
        raise ChatTemplateError(f"{model.info.name} has no chat template: it continues texts, it answers no messages")
    return model.encode_chat(prompt)


class TextStream:
    """Turns tokens into text as they come, never showing half a character.

    Example:
        >>> from tempering import load_model
        >>> model = load_model("embedded")
        >>> stream = TextStream(model)
        >>> "".join(stream.push(token) for token in model.encode(" a café")[1:]) + stream.rest()
        ' a café'
    """

    def __init__(self, model: LogitsModel) -> None:
        self.model = model
        self.tokens: list[int] = []
        self.shown = 0

    def push(self, token: int) -> str:
        """Return the text that this token completes; empty while a character is not whole."""
        self.tokens.append(token)
        text = self.model.decode(self.tokens)
        if text.endswith("\ufffd"):
            return ""
        new, self.shown = text[self.shown :], len(text)
        return new

    def rest(self) -> str:
        """Return what is left at the end, broken characters included."""
        text = self.model.decode(self.tokens)
        new, self.shown = text[self.shown :], len(text)
        return new
