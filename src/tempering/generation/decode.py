"""Batched decoding: requests in, completions out. Knows models by their protocol; knows nothing of studies or files.

Every token is a pure function of (seed, prompt id, sample index, step, logits), so the texts do not depend on the size
of the batch, on what else is in it, or on the order in which rows join and leave. There is one loop, ``Decoder``:
``generate`` feeds it from a list of requests, a server from its clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from tempering.errors import LogitsError, ParameterError
from tempering.generation.completion import Completion
from tempering.generation.prompts import Prefixes
from tempering.generation.request import Request
from tempering.generation.row import Alternative, Row, completion_of, draw_tokens
from tempering.generation.served import generate_served
from tempering.models.base import LogitsModel, Model, TextModel
from tempering.sampling.noise import sequence_of
from tempering.sampling.rows import checked_rows

BATCH = 64


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
        self._prefixes = Prefixes(model)
        self._rows: list[Row] = []
        self._logits = np.empty((0, model.info.vocabulary), dtype=np.float32)
        self._drawn = np.empty(0, dtype=np.int64)
        self._joined: list[NDArray[np.float32]] = []
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
        self._rows.append(Row(self._tickets, request, prefix, sequence, min(alternatives, vocabulary)))
        self._joined.append(prefix.logits[None])
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
        self._let_in()
        for index in np.flatnonzero(~np.isfinite(self._logits.max(axis=1)))[::-1].tolist():
            try:
                checked_rows(self._logits[index])
            except LogitsError as problem:
                found.append((self._rows[index].ticket, problem))
                self._take_out(index)
        return found

    def step(self) -> list[Drawn]:
        """Give every text one token and score what may follow; return the tokens: ``draw``, then ``advance``."""
        drawn = self.draw()
        self.advance()
        return drawn

    def draw(self) -> list[Drawn]:
        """Give every text one token; return the tokens. Texts that end leave. ``advance`` comes next.

        Raises:
            LogitsError: a row must not be sampled; nothing has changed.
        """
        if not self._rows:
            return []
        self._let_in()
        info = self.model.info
        tokens, drawn = draw_tokens(self._rows, self._logits), list[Drawn]()
        for index in range(len(self._rows) - 1, -1, -1):  # from the end, so that a moved row has had its turn
            row, token = self._rows[index], int(tokens[index])
            if token not in info.end_tokens:
                row.tokens.append(token)
            reason = row.finish_reason(token, info.end_tokens, info.context)
            done = completion_of(self.model, row, reason) if reason else None
            facts = row.raw[-1], row.processed[-1], row.entropies[-1], row.alternatives, len(row.prefix.tokens)
            drawn.append(Drawn(row.ticket, row.request, token, *facts, done))
            if reason:
                if index < len(self._rows) - 1:
                    tokens[index] = tokens[len(self._rows) - 1]
                self._drop(index)
        self._drawn = tokens[: len(self._rows)]
        return drawn

    def advance(self) -> None:
        """Score what may follow the tokens that were drawn: the model's part of a step."""
        self._logits = self._batch.step(self._drawn) if self._rows else self._logits[:0]

    def _let_in(self) -> None:
        """Put the scores of those that have joined behind the others', all at once."""
        if self._joined:
            self._logits, self._joined = np.concatenate([self._logits, *self._joined]), []

    def _drop(self, index: int) -> None:
        """Take a row out; the last one takes its place."""
        last = self._rows.pop()
        if index < len(self._rows):
            self._rows[index] = last
            self._batch.copy(len(self._rows), index)

    def _take_out(self, index: int) -> None:
        """Drop a row between two steps, with its scores."""
        self._let_in()
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
    _check_size(batch_size)
    if isinstance(model, TextModel):
        yield from generate_served(model, requests, on_text=on_text)
        return
    waiting = iter(requests)
    first = list(islice(waiting, batch_size))
    if not first:
        return
    decoder, waiting = Decoder(model, len(first)), chain(first, waiting)  # no more room than there are texts
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
