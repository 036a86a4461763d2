"""Batched decoding: requests in, completions out. Knows models by their protocol; knows nothing of studies or files.

Every token is a pure function of (seed, prompt id, sample index, step, logits), so the texts do not depend on the size
of the batch, on what else is in it, or on the order in which rows finish.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ChatTemplateError, ParameterError, PromptError
from tempering.generation.completion import Completion, FinishReason
from tempering.models.base import ChatModel, LogitsModel, Prefix, PromptText, shown_prompt
from tempering.params import SamplingParams
from tempering.sampling.draw import draw_rows
from tempering.sampling.mirostat import mu_after
from tempering.sampling.noise import gumbel, sequence_of
from tempering.sampling.penalties import Context
from tempering.sampling.plan import pays

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
    """

    prompt: PromptText
    params: SamplingParams = field(default_factory=SamplingParams)
    sample: int = 0
    prompt_id: str = ""
    max_tokens: int = 100

    def __post_init__(self) -> None:
        if not self.prompt:
            raise PromptError("the prompt is empty")
        if self.max_tokens < 1:
            raise ParameterError(f"max_tokens must be at least 1, got {self.max_tokens}", field="max_tokens")
        if self.sample < 0:
            raise ParameterError(f"sample must be at least 0, got {self.sample}", field="sample")
        if not self.prompt_id:
            object.__setattr__(self, "prompt_id", shown_prompt(self.prompt))


@dataclass
class _Row:
    """A text in the making."""

    request: Request
    prefix: Prefix
    sequence: int
    tokens: list[int] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    processed: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)

    def context(self, params: SamplingParams) -> Context:
        """Return what penalties and mirostat look back at."""
        mu = mu_after(self.processed, params) if params.mirostat_tau else None
        return Context(self.prefix.tokens, tuple(self.tokens), mu)

    def finish_reason(self, token: int, info_end: tuple[int, ...], context: int) -> FinishReason | None:
        if token in info_end:
            return "stop"
        length = len(self.tokens)
        full = length >= self.request.max_tokens or len(self.prefix.tokens) + length >= context
        return "length" if full else None


def generate(
    model: LogitsModel,
    requests: Iterable[Request],
    *,
    batch_size: int = BATCH,
    on_token: Callable[[Request, int], None] | None = None,
) -> Iterator[Completion]:
    """Yield a completion for each request, in the order in which they finish.

    Args:
        model: gives the logits.
        requests: what to generate; read as rows become free, so it may be a generator.
        batch_size: how many texts are decoded together, >= 1; changes speed, never text.
        on_token: called with the request and each token as it is drawn (end tokens excepted).

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
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}", field="batch_size")
    info, batch = model.info, model.batch(batch_size)
    prefixes = _Prefixes(model)
    waiting = iter(requests)
    rows: list[_Row] = []
    logits = np.empty((0, info.vocabulary), dtype=np.float32)
    while True:
        while len(rows) < batch_size and (request := next(waiting, None)) is not None:
            prefix = prefixes.of(request.prompt)
            batch.place(len(rows), prefix)
            rows.append(_Row(request, prefix, sequence_of(request.prompt_id, request.sample)))
            logits = np.concatenate([logits, prefix.logits[None]])
        if not rows:
            return
        tokens = _draw(rows, logits)
        for index in range(len(rows) - 1, -1, -1):  # from the end, so that a moved row has had its turn
            row, token = rows[index], int(tokens[index])
            if token not in info.end_tokens:
                row.tokens.append(token)
                if on_token:
                    on_token(row.request, token)
            if reason := row.finish_reason(token, info.end_tokens, info.context):
                yield _completion(model, row, reason)
                last = rows.pop()
                if index < len(rows):
                    rows[index], tokens[index] = last, tokens[len(rows)]
                    batch.copy(len(rows), index)
        count = len(rows)
        logits = batch.step(tokens[:count]) if count else logits[:0]


def _draw(rows: list[_Row], logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Draw a token for every row and note its logprobs; rows of equal settings are processed together."""
    steps = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
    sequences = np.array([row.sequence for row in rows], dtype=np.uint64)
    tokens = np.empty(len(rows), dtype=np.int64)
    vocabulary = logits.shape[1]
    for seed, by_seed in _groups(rows, lambda row: row.request.params.seed).items():
        # One sample at several temperatures shares its noise; where kernels draw, they make only what they need of it.
        noise = None if pays(vocabulary) else gumbel(seed, sequences[by_seed], steps[by_seed], vocabulary)
        place = {row: at for at, row in enumerate(by_seed)}
        for params, group in _groups(rows, lambda row: row.request.params, by_seed).items():
            drawn = draw_rows(
                logits[group],
                params,
                seed,
                sequences[group],
                steps[group],
                context=[rows[i].context(params) for i in group] if params.looks_back else None,
                noise=None if noise is None else noise[[place[i] for i in group]],
            )
            tokens[group] = drawn.tokens
            for at, index in enumerate(group):
                row = rows[index]
                row.raw.append(float(drawn.raw_logprobs[at]))
                row.processed.append(float(drawn.processed_logprobs[at]))
                row.entropies.append(float(drawn.entropies[at]))
    return tokens


def _groups(rows: list[_Row], key: Callable[[_Row], Key], among: list[int] | None = None) -> dict[Key, list[int]]:
    groups: dict[Key, list[int]] = {}
    for index in range(len(rows)) if among is None else among:
        groups.setdefault(key(rows[index]), []).append(index)
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


def read_prompt(model: LogitsModel, prompt: PromptText) -> Prefix:
    """Return the prefix of a prompt, with room for at least one token after it.

    Raises:
        PromptError: the prompt is empty or fills the model's context.
        ChatTemplateError: the prompt is a conversation, and the model has no template or its template refuses it.
    """
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
