"""How likely stored texts are under settings that they were not drawn with. Knows models by their protocol.

Recomputed from the stored tokens with one pass of the model a text, rather than stored: log Z of every step on a grid of
32 temperatures would take 128 bytes a token, more than the whole sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tempering.generation.completion import Completion
from tempering.generation.decode import read_prompt
from tempering.models.base import LogitsModel
from tempering.params import SamplingParams
from tempering.sampling.distribution import process
from tempering.sampling.penalties import Context
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
    known: dict[tuple[object, ...], int] = {}
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
        logits = logits_of_ids(model, prompt, [choice[0] for choice in drawn])
        for at, params in enumerate(settings):
            log_p[place, at], scores[place, at] = _under(logits, drawn, params, prompt, text.tokens)
    return log_p, scores


def _under(
    logits: NDArray[np.float32],
    drawn: list[list[int]],
    params: SamplingParams,
    prompt: tuple[int, ...],
    tokens: tuple[int, ...],
) -> tuple[float, float]:
    contexts = None
    if "penalties" in params.active_steps():
        contexts = [Context(prompt, tokens[:step]) for step in range(len(drawn))]
    state = process(logits, params, contexts)
    p, z = np.exp(state.logprobs), np.where(state.keep, state.ranking, 0.0)
    own = np.array([special.logsumexp(state.logprobs[step, choice]) for step, choice in enumerate(drawn)])
    if np.isneginf(own).any():
        return -np.inf, 0.0
    if params.temperature == 0 or np.isinf(params.temperature):
        return float(own.sum()), 0.0
    mean = np.einsum("tv,tv->t", p, z)
    chosen = np.array([p[step, c] @ z[step, c] / p[step, c].sum() for step, c in enumerate(drawn)])
    return float(own.sum()), float((mean - chosen).sum()) / params.temperature**2
