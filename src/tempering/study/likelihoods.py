"""How likely stored texts are under settings that they were not drawn with. Knows models by their protocol.

Recomputed from the stored tokens with one pass of the model a text, rather than stored: log Z of every step on a grid
of 32 temperatures would take 128 bytes a token, more than the sample itself.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tempering.generation.completion import Completion
from tempering.generation.prompts import read_prompt
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.sampling.distribution import process
from tempering.sampling.penalties import Context
from tempering.thermometer.likelihood import Tokens
from tempering.thermometer.reading import logits_of_ids

Values = NDArray[np.float64]


def text_likelihoods(
    model: LogitsModel, completions: Sequence[Completion], settings: Sequence[SamplingParams]
) -> tuple[Values, Values]:
    """Return the log-probability of whole texts under settings, and its derivative by T.

    A text that the model ended holds that decision too: the probability of any end token. The derivative is
    -(z(x) - <z>) / T^2 summed over steps, the kept set held fixed; 0 where T is 0 or inf.

    Args:
        model: the model that drew the texts.
        completions: texts with their tokens.
        settings: what to ask for.

    Returns:
        Nats and nats per unit of T, both of shape [completions, settings]; -inf (and 0) where a text is impossible.

    Example:
        >>> from tempering import Request, generate, load_model
        >>> model = load_model("embedded")
        >>> [text] = generate(model, [Request("Once upon a time", max_tokens=5)])
        >>> log_p, _ = text_likelihoods(model, [text], [SamplingParams()])
        >>> bool(np.isclose(log_p[0, 0], sum(text.raw_logprobs), atol=1e-3))
        True
    """
    log_p, scores = np.zeros((2, len(completions), len(settings)))
    known: dict[Hashable, int] = {}
    for place, text in enumerate(completions):
        key = (text.prompt, text.tokens, text.finish_reason)
        if key in known:  # cold texts repeat
            log_p[place], scores[place] = log_p[known[key]], scores[known[key]]
            continue
        known[key] = place
        prompt = read_prompt(model, text.prompt).tokens
        drawn = [[token] for token in text.tokens]
        if text.finish_reason == "stop":
            drawn.append(list(model.info.end_tokens))
        first = [choice[0] for choice in drawn]
        logits = logits_of_ids(model, prompt, first)
        tokens = Tokens.of(logits, np.array(first)) if max(map(len, drawn)) == 1 else None
        for at, params in enumerate(settings):
            if tokens is not None and params.temperature > 0 and list(params.active_steps()) == ["temperature"]:
                log_p[place, at], scores[place, at] = _tempered(tokens, params.temperature)
            else:
                log_p[place, at], scores[place, at] = _processed(logits, drawn, params, prompt, text.tokens)
    return log_p, scores


def _tempered(tokens: Tokens, temperature: float) -> tuple[float, float]:
    """Return log-probability and score without truncation."""
    inverse = 1 / temperature
    log_z, mean, _ = tokens.moments(inverse)
    return float((inverse * tokens.own - log_z).sum()), float((mean - tokens.own).sum()) * inverse**2


def _processed(
    logits: NDArray[np.float32],
    drawn: Sequence[Sequence[int]],
    params: SamplingParams,
    prompt: tuple[int, ...],
    tokens: tuple[int, ...],
) -> tuple[float, float]:
    """Return log-probability and score under any settings; each step may be any of several tokens."""
    contexts = None
    if params.looks_back:
        contexts = [Context(prompt, tokens[:step]) for step in range(len(drawn))]
    state = process(logits, params, contexts)
    own = np.array([special.logsumexp(state.logprobs[step, choice]) for step, choice in enumerate(drawn)])
    if np.isneginf(own).any():
        return -np.inf, 0.0
    if params.temperature == 0 or np.isinf(params.temperature):
        return float(own.sum()), 0.0
    p, z = np.exp(state.logprobs), np.where(state.keep, state.ranking, 0.0)
    chosen = np.array([p[step, c] @ z[step, c] / p[step, c].sum() for step, c in enumerate(drawn)])
    mean = np.einsum("tv,tv->t", p, z)
    return float(own.sum()), float((mean - chosen).sum()) / params.temperature**2
