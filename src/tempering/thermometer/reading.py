"""Read the temperature of a text with a model. Knows models by their protocol; the likelihood is elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ParameterError, PromptError
from tempering.models.base import Model, require_logits
from tempering.params import SamplingParams
from tempering.sampling.distribution import process
from tempering.sampling.forks import fork_scores
from tempering.sampling.mirostat import first_mu, next_mu
from tempering.sampling.penalties import Context
from tempering.thermometer.likelihood import Reading, Tokens, read_temperature


def tokens_of_text(model: Model, prompt: str, text: str, params: SamplingParams | None = None) -> Tokens:
    """Return the tokens of a text after its prompt, with the distributions that they were drawn from.

    The text is cut into tokens as the model's tokenizer would; a text that was sampled may have been drawn in other
    pieces, so where the ids are known, use ``tokens_of_ids``.

    Args:
        model: gives the logits.
        prompt: what stood before the text; may be empty.
        text: the text to read, not empty.
        params: truncation and penalties it was drawn with; their temperature is not used.

    Raises:
        PromptError: the text is empty, or prompt and text do not fit the context.
        ParameterError: a truncation keeps another set at every T, so that the likelihood is not of this form.
        NoLogitsError: the model gives text only.
    """
    model = require_logits(model)
    before = model.encode(prompt)
    return tokens_of_ids(model, before, model.encode(prompt + text)[len(before) :], params)


@dataclass(frozen=True)
class Scored:
    """Drawn ids with the logits that they were drawn from: read once, asked under any settings.

    Attributes:
        prompt: ids before them.
        ids: the ids drawn.
        logits: shape [ids, vocab].
    """

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    logits: NDArray[np.float32]

    @classmethod
    def of(cls, model: Model, prompt: Sequence[int], ids: Sequence[int]) -> Scored:
        """Return ids with their logits: one pass of the model; errors as of ``logits_of_ids``."""
        return cls(tuple(prompt), tuple(ids), logits_of_ids(model, prompt, ids))

    @property
    def contexts(self) -> list[Context]:
        """What stood before each id."""
        return [Context(self.prompt, self.ids[:step]) for step in range(len(self.ids))]

    def tokens(self, params: SamplingParams | None = None) -> Tokens:
        """Return what a temperature is read from, under a truncation whose kept set T does not move.

        Raises:
            ParameterError: T moves it.
        """
        logits = self.logits if params is None else fork_scores(self.logits, params, self.contexts)
        return Tokens.of(logits, np.array(self.ids))

    @cached_property
    def _ranked(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The logits of each row from the largest down, ties by id, and the place of its id: sorted for every rule."""
        order = np.argsort(-self.logits, axis=1, kind="stable")
        return np.take_along_axis(self.logits, order, axis=1), (order == np.array(self.ids)[:, None]).argmax(axis=1)

    def logprobs(self, params: SamplingParams) -> NDArray[np.float64]:
        """Return the log-probability of each id under settings, their temperature among them, nats; -inf if impossible.

        Under XTC it is that of the mean over its coin; mirostat is followed from id to id.
        """
        if not params.looks_back:
            rows, places = self._ranked
            return process(rows, params).logprobs[np.arange(len(rows)), places]
        if not params.mirostat_tau > 0:
            return process(self.logits, params, self.contexts).logprobs[np.arange(len(self.ids)), self.ids]
        mu, found = first_mu(params), np.full(len(self.ids), -np.inf)
        for at, (row, context) in enumerate(zip(self.logits, self.contexts, strict=True)):
            found[at] = process(row, params, replace(context, mu=mu)).logprobs[0, self.ids[at]]
            if np.isneginf(found[at]):
                break  # what an impossible id does to the state, nobody can say: no later id is possible either
            mu = float(next_mu(mu, found[at], params))
        return found


def tokens_of_ids(
    model: Model, prompt: Sequence[int], ids: Sequence[int], params: SamplingParams | None = None
) -> Tokens:
    """Return drawn ids after a prompt's ids with their distributions; otherwise as ``tokens_of_text``."""
    return Scored.of(model, prompt, ids).tokens(params)


def logits_of_ids(model: Model, prompt: Sequence[int], ids: Sequence[int]) -> NDArray[np.float32]:
    """Return the logits that each of the ids was drawn from, shape [ids, vocab]: one pass of the model.

    Raises:
        PromptError: there are no ids, no prompt that they follow, or both together do not fit the context.
    """
    if not ids:
        raise PromptError("the text is empty")
    if not prompt:
        raise PromptError("this model marks no beginning of a text: give the prompt that stood before it")
    return require_logits(model).score([*prompt, *ids[:-1]])[len(prompt) - 1 :]


def tokens_of_document(model: Model, prompt: str, text: str) -> Tokens:
    """Return the tokens of a text of any length: what does not fit the context is read in stretches, each by itself.

    The first token of a stretch follows the model's beginning of a text, or is left out where it has none.

    Raises:
        PromptError: the text is empty, or the prompt leaves no room.
        NoLogitsError: the model gives text only.

    Example:
        >>> from tempering import load_model
        >>> len(tokens_of_document(load_model("embedded"), "", "Once upon a time there was a dog. " * 100)) > 512
        True
    """
    loaded = require_logits(model)
    before = loaded.encode(prompt)
    ids, room = loaded.encode(prompt + text)[len(before) :], loaded.info.context - len(before)
    if len(ids) <= room:
        return tokens_of_ids(loaded, before, ids)
    if room < 2:
        raise PromptError(f"the prompt has {len(before)} tokens and leaves no room in {loaded.info.context}")
    begin = loaded.encode("")
    parts = [tokens_of_ids(loaded, before or ids[:1], ids[bool(not before) : room])]
    size = loaded.info.context - max(1, len(begin))
    for at in range(room, len(ids), size):
        stretch = ids[at : at + size]
        if begin:
            parts.append(tokens_of_ids(loaded, begin, stretch))
        elif len(stretch) > 1:
            parts.append(tokens_of_ids(loaded, stretch[:1], stretch[1:]))
    return Tokens.joined(parts)


@dataclass(frozen=True)
class Hypothesis:
    """How well one setting explains a text.

    Attributes:
        params: the setting, with the likeliest temperature under it.
        reading: the temperature under it with its interval; None where a token is impossible, or the kept set moves
            with T.
        log_likelihood: nats; -inf where impossible.
        impossible: the places of tokens outside the kept set, at the likeliest temperature tried.
    """

    params: SamplingParams
    reading: Reading | None
    log_likelihood: float
    impossible: tuple[int, ...]


TEMPERATURES = np.geomspace(0.05, 5.0, 60)


def compare_settings(
    model: Model, prompt: Sequence[int], ids: Sequence[int], settings: Sequence[SamplingParams]
) -> list[Hypothesis]:
    """Return how well each setting explains drawn ids, likeliest first.

    Where the kept set does not depend on T the temperature is read exactly; else the likeliest of 60 temperatures
    from .05 to 5 is taken, and no interval is given. XTC and mirostat are among the latter, see ``Scored.logprobs``.
    """
    scored, found = Scored.of(require_logits(model), prompt, ids), []
    for params in settings:
        try:
            tokens = scored.tokens(params)
        except ParameterError:
            found.append(_on_a_grid(scored, params))
            continue
        if impossible := tokens.impossible:
            found.append(Hypothesis(params, None, -math.inf, tuple(impossible)))
        else:
            reading = read_temperature(tokens)
            best = replace(params, temperature=reading.temperature)
            found.append(Hypothesis(best, reading, reading.log_likelihood, ()))
    return sorted(found, key=lambda hypothesis: -hypothesis.log_likelihood)


def _on_a_grid(scored: Scored, params: SamplingParams) -> Hypothesis:
    """Return the likeliest temperature of the grid; if none is possible, that with the fewest impossible tokens."""
    tried = []
    for temperature in TEMPERATURES.tolist():
        setting = replace(params, temperature=temperature)
        logprobs = scored.logprobs(setting)
        impossible = tuple(np.flatnonzero(np.isneginf(logprobs)).tolist())
        tried.append(Hypothesis(setting, None, float(logprobs.sum()), impossible))
    return max(tried, key=lambda hypothesis: (hypothesis.log_likelihood, -len(hypothesis.impossible)))


def read_text(model: Model, prompt: str, text: str) -> Reading:
    """Return the temperature that a text reads at, untruncated.

    Example:
        >>> from tempering import load_model
        >>> reading = read_text(load_model("embedded"), "Once upon a time", ", there was a little girl named Lily.")
        >>> reading.temperature < 1
        True
    """
    return read_temperature(tokens_of_text(model, prompt, text))
