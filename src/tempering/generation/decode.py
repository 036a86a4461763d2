"""Batched decoding: requests in, completions out. Knows models by their protocol; knows nothing of studies or files.

Every token is a pure function of (seed, prompt id, sample index, step, logits), so the texts do not depend on the size
of the batch, on what else is in it, or on the order in which rows join and leave. There is one loop, ``Decoder``:
``generate`` feeds it from a list of requests, a server from its clients.

Texts of one prompt that have the same tokens so far stand in one row of the model's batch, under any settings: with
shared noise neighbouring temperatures draw the same tokens for a while, and the model need not read them once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from tempering.errors import LogitsError, ParameterError
from tempering.generation.completion import Completion
from tempering.generation.prompts import Prefixes
from tempering.generation.request import Request, noise_of
from tempering.generation.row import Alternative, Row, completion_of, draw_tokens
from tempering.generation.served import generate_served
from tempering.models.base import Batch, LogitsModel, Model, TextModel
from tempering.sampling.noise import sequence_of
from tempering.sampling.rows import checked_rows

BATCH = 64


@dataclass
class Sharing:
    """What texts saved that stood in one row of the batch.

    Attributes:
        steps: model steps computed (rows times steps).
        separate: steps that the same texts take one by one.
    """

    steps: int = 0
    separate: int = 0

    @property
    def ratio(self) -> float:
        """How many times fewer steps; 1 before the first.

        Example:
            >>> Sharing(steps=50, separate=80).ratio
            1.6
        """
        return self.separate / self.steps if self.steps else 1.0


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
        self.sharing = Sharing()
        self._batch = model.batch(size)
        self._prefixes = Prefixes(model)
        self._nodes: list[list[Row]] = []  # what stands in each row of the batch: texts with the same tokens
        self._logits = np.empty((0, model.info.vocabulary), dtype=np.float32)
        self._joined: list[NDArray[np.float32]] = []
        self._tickets = 0

    def __len__(self) -> int:
        return sum(map(len, self._nodes))

    @property
    def free(self) -> int:
        """How many texts can join now."""
        return self.size - len(self)

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
        self._tickets += 1
        row = Row(self._tickets, request, prefix, sequence, min(alternatives, vocabulary))
        for node in self._nodes:
            if node[0].prefix is prefix and not node[0].tokens:
                node.append(row)
                return self._tickets
        self._batch.place(len(self._nodes), prefix)
        self._nodes.append([row])
        self._joined.append(prefix.logits[None])
        return self._tickets

    def remove(self, ticket: int) -> bool:
        """Let a text go before its end; return whether it was there."""
        held = len(self)
        self._nodes = [[row for row in node if row.ticket != ticket] for node in self._nodes]
        self._close_up()
        return len(self) < held

    def refused(self) -> list[tuple[int, LogitsError]]:
        """Let the texts go whose logits must not be sampled; return their tickets with the errors."""
        found = []
        self._let_in()
        for index in np.flatnonzero(~np.isfinite(self._logits.max(axis=1))).tolist():
            try:
                checked_rows(self._logits[index])
            except LogitsError as problem:
                found += [(row.ticket, problem) for row in self._nodes[index]]
                self._nodes[index] = []
        self._close_up()
        return found

    def step(self) -> list[Drawn]:
        """Give every text one token; return the tokens. Texts that end leave.

        Raises:
            LogitsError: a row must not be sampled; nothing has changed.
        """
        if not self._nodes:
            return []
        self._let_in()
        info = self.model.info
        rows = [row for node in self._nodes for row in node]
        owners = [at for at, node in enumerate(self._nodes) for _ in node]
        logits = self._logits if len(rows) == len(self._nodes) else self._logits[owners]
        children: dict[tuple[int, int], list[Row]] = {}
        drawn = list[Drawn]()
        for row, owner, token in zip(rows, owners, draw_tokens(rows, logits).tolist(), strict=True):
            if token not in info.end_tokens:
                row.tokens.append(token)
            reason = row.finish_reason(token, info.end_tokens, info.context)
            done = completion_of(self.model, row, reason) if reason else None
            facts = row.raw[-1], row.processed[-1], row.entropies[-1], row.alternatives, len(row.prefix.tokens)
            drawn.append(Drawn(row.ticket, row.request, token, *facts, done))
            if not reason:
                children.setdefault((owner, token), []).append(row)
        places = settle(self._batch, [owner for owner, _ in children])
        self._nodes = [node for _, node in sorted(zip(places, children.values(), strict=True), key=itemgetter(0))]
        tokens = np.array([node[0].tokens[-1] for node in self._nodes], dtype=np.int64)
        self._logits = self._batch.step(tokens) if self._nodes else self._logits[:0]
        self.sharing.steps += len(self._nodes)
        self.sharing.separate += len(self)
        return drawn

    def _let_in(self) -> None:
        """Put the scores of those that have joined behind the others', all at once."""
        if self._joined:
            self._logits, self._joined = np.concatenate([self._logits, *self._joined]), []

    def _close_up(self) -> None:
        """Give up the rows of the batch that hold no text any more, between two steps."""
        self._let_in()
        live = [at for at, node in enumerate(self._nodes) if node]
        order = np.argsort(settle(self._batch, live))
        self._nodes = [self._nodes[live[at]] for at in order]
        self._logits = self._logits[[live[at] for at in order]]


def settle(batch: Batch, sources: Sequence[int]) -> list[int]:
    """Give every text a row of the batch of its own; return these rows, which are 0 to len(sources) - 1 in some order.

    Args:
        batch: where the texts stand.
        sources: the row that holds each text up to now; several may begin with the same.

    Example:
        >>> from unittest.mock import Mock
        >>> settle(Mock(), [0, 0, 3])  # row 0 stays, forks into row 1, and row 3 moves to 2
        [0, 1, 2]
    """
    stays = {source: text for text, source in reversed(list(enumerate(sources))) if source < len(sources)}
    places = {text: source for source, text in stays.items()}
    free = (row for row in range(len(sources)) if row not in stays)  # rising: a batch may grow row by row
    for text, source in enumerate(sources):
        if text not in places:
            places[text] = next(free)
            batch.copy(source, places[text])
    return [places[text] for text in range(len(sources))]


def generate(
    model: Model,
    requests: Iterable[Request],
    *,
    batch_size: int = BATCH,
    on_token: Callable[[Request, int], None] | None = None,
    on_text: Callable[[Request, str], None] | None = None,
    sharing: Sharing | None = None,
) -> Iterator[Completion]:
    """Yield a completion for each request, in the order in which they finish.

    Requests that follow each other and share prompt and noise are begun together, so that they share steps too.

    Args:
        model: gives the logits, or the text (see ``generation.served``).
        requests: what to generate; read as rows become free, so it may be a generator.
        batch_size: how many texts are decoded together, >= 1; changes speed, never text.
        on_token: called with the request and each token as it is drawn (end tokens excepted); a server tells no ids.
        on_text: called with the request and each piece of text as a server sends it.
        sharing: counts what is saved.

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
    decoder = Decoder(model, len(first))  # no more room than there are texts
    decoder.sharing = sharing or decoder.sharing
    alike = (list(group) for _, group in groupby(chain(first, waiting), noise_of))
    bundles = (group[at : at + decoder.size] for group in alike for at in range(0, len(group), decoder.size))
    ahead = next(bundles, None)
    while True:
        while ahead and len(ahead) <= decoder.free:
            for request in ahead:
                decoder.add(request)
            ahead = next(bundles, None)
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
