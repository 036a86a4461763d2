"""What a model really does with its settings. Knows both kinds of model; knows nothing of how it is shown."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ChatTemplateError, ModelError
from tempering.generation.decode import generate
from tempering.generation.prompts import read_prompt
from tempering.generation.request import Request
from tempering.models.base import ChatModel, LogitsModel, Model, Prefix, PromptText, conversation
from tempering.models.openai import OpenAIModel
from tempering.params import SamplingParams
from tempering.sampling.facts import facts
from tempering.statistics import wilson
from tempering.study.findings import PROMPT, Finding, Probe, greedy
from tempering.study.server_probe import probe_server

Logits = NDArray[np.float32]
BESIDE = 16
"""Texts of the batch that a text alone is compared with."""


def probe_model(
    model: Model, *, prompt: PromptText = PROMPT, repeats: int = 8, draws: int = 24, max_tokens: int = 24
) -> Probe:
    """Return the probe that fits a model.

    Raises:
        ModelError: nobody has said how to probe a model of this kind.
    """
    if isinstance(model, OpenAIModel):
        return probe_server(model, prompt=prompt, repeats=repeats, draws=draws, max_tokens=max_tokens)
    if isinstance(model, LogitsModel):
        return probe_logits(model, prompt=prompt, repeats=repeats, max_tokens=max_tokens)
    raise ModelError(f"{model.info.name}: is neither a server nor a model with logits")


def probe_logits(model: LogitsModel, *, prompt: PromptText = PROMPT, repeats: int = 8, max_tokens: int = 24) -> Probe:
    """Ask a model that gives logits what is left to ask: how far rounding moves it, what it can do, how fast it is.

    Args:
        model: the model.
        prompt: what to ask.
        repeats: texts in a group, >= 2.
        max_tokens: their length.

    Example:
        >>> from tempering import load_model
        >>> probe_logits(load_model("embedded"), repeats=4, max_tokens=4).finding("greedy_repeatable").verdict
        'yes'
    """

    def texts(temperature: float, size: int) -> list[str]:
        params = SamplingParams(temperature=temperature)
        requests = [Request(prompt, params, sample, max_tokens=max_tokens) for sample in range(repeats)]
        done = sorted(generate(model, requests, batch_size=size), key=lambda completion: completion.sample)
        return [completion.text for completion in done]

    logits = read_prompt(model, prompt).logits
    entropies = {t: facts(logits, SamplingParams(temperature=t)).entropy for t in (0.5, 1.0, 2.0)}
    grow = ", ".join(f"{float(value):.2f} nats at T = {t:g}" for t, value in entropies.items())
    acts = Finding(
        "temperature_acts",
        "Does T act?",
        "yes",
        f"yes, exactly: it is applied here, to all {model.info.vocabulary} logits; entropy of the next token {grow}",
        {"entropies": {str(t): float(value) for t, value in entropies.items()}},
    )
    cold = [*texts(0.0, 1), *texts(0.0, repeats)]
    alone, together = texts(1.0, 1), texts(1.0, repeats)
    same = [first == second for first, second in zip(alone, together, strict=True)]
    share = wilson(same, range(len(same)))
    seed = Finding(
        "seed_holds",
        "Does the seed hold, alone and in a batch?",
        "yes" if all(same) else "no",
        f"{sum(same)} of {len(same)} texts at T = 1 are the same (share [{share.low:.2f}, {share.high:.2f}])",
        {"pairs": len(same), "equal": sum(same), "low": share.low, "high": share.high},
    )
    prefix = read_prompt(model, prompt)
    findings = (
        acts,
        greedy(cold),
        seed,
        _noise_floor(model, prefix, max_tokens),
        _vocabulary(model, prefix),
        _chat(model),
        _context(model, prefix),
        _speed(model, prefix, max_tokens),
    )
    engine = str(model.info.details.get("engine", "unknown"))
    return Probe(model.info.identity, engine, prompt, findings, 4 * repeats)


def _steps(model: LogitsModel, prefix: Prefix, size: int, tokens: Sequence[int]) -> tuple[list[Logits], float]:
    """Return the logits of the last of ``size`` equal texts after each of its tokens, and the seconds they took."""
    batch, found = model.batch(size), []
    for row in range(size):
        batch.place(row, prefix)
    begun = time.perf_counter()
    for token in tokens:
        found.append(batch.step(np.full(size, token, dtype=np.int64))[-1])
    return found, time.perf_counter() - begun


def _greedy_tokens(model: LogitsModel, prefix: Prefix, count: int) -> list[int]:
    """Return what the model goes on with at T = 0, past the end of its text too, as far as the context has room."""
    batch, logits, found = model.batch(1), prefix.logits, list[int]()
    batch.place(0, prefix)
    for _ in range(min(count, model.info.context - len(prefix.tokens))):
        found.append(int(logits.argmax()))
        logits = batch.step(np.array(found[-1:]))[0]
    return found


def _noise_floor(model: LogitsModel, prefix: Prefix, count: int) -> Finding:
    """Compare the logits of a text alone with those of the same text in the last row of a batch."""
    tokens = _greedy_tokens(model, prefix, count)
    (alone, _), (beside, _) = _steps(model, prefix, 1, tokens), _steps(model, prefix, BESIDE, tokens)
    apart = [
        float(np.abs(np.where(one == other, 0, one - other)).max()) for one, other in zip(alone, beside, strict=True)
    ]
    gaps = [float(np.diff(np.partition(one, -2)[-2:])[0]) for one in alone if len(one) > 1]
    worst, closest = max(apart, default=0.0), min(gaps, default=math.inf)
    exact = "the same to the last bit" if worst == 0 else f"up to {worst:.2g} apart"
    answer = (
        f"{exact}, over {len(tokens)} steps alone and among {BESIDE} texts; the closest call between the two likeliest "
        f"tokens was {closest:.2g}"
    )
    evidence = {"steps": len(tokens), "batch": BESIDE, "largest": worst, "closest": closest}
    question = "Are the logits of a text the same in a batch?"
    return Finding("noise_floor", question, "yes" if worst == 0 else "no", answer, evidence)


def _vocabulary(model: LogitsModel, prefix: Prefix) -> Finding:
    """Say whether the tokenizer's ends are among the logits; that there is a logit an id, ``read_prompt`` has seen."""
    given, ends = len(prefix.logits), model.info.end_tokens
    masked, there = int(np.isneginf(prefix.logits).sum()), sum(0 <= token < given for token in ends)
    same = there == len(ends)
    answer = f"{'yes' if same else 'no'}: {given} logits, {len(ends)} ids end a text, of which it has {there}"
    answer += f"; {masked} logits are -inf" if masked else ""
    evidence = {"logits": given, "end_tokens": list(ends), "masked": masked}
    return Finding("vocabulary", "Do vocabulary and logits agree?", "yes" if same else "no", answer, evidence)


def _chat(model: LogitsModel) -> Finding:
    question = "Can it answer messages?"
    if not isinstance(model, ChatModel):
        return Finding("chat", question, "no", "no: it continues texts and has no chat template", {})
    found, problems = [], list[str]()
    for words, messages in (("a user's", conversation("Hello")), ("a system's", conversation("Hello", "Be kind."))):
        try:
            model.encode_chat(messages)
            found.append(words)
        except ChatTemplateError as problem:
            problems.append(str(problem))
    if not found:
        return Finding("chat", question, "no", f"no: {problems[0]}", {"takes": found, "refusals": problems})
    answer = f"yes: its template takes {' and '.join(found)} message" + (f"; {problems[0]}" if problems else "")
    return Finding("chat", question, "yes", answer, {"takes": found, "refusals": problems})


def _context(model: LogitsModel, prefix: Prefix) -> Finding:
    context, length = model.info.context, len(prefix.tokens)
    answer = f"{context} tokens; this prompt has {length} and leaves room for {context - length}"
    return Finding("context", "How long may a text be?", "yes", answer, {"context": context, "prompt": length})


def _speed(model: LogitsModel, prefix: Prefix, count: int) -> Finding:
    """Time the model's steps without any drawing; the first batch of a size is not timed."""
    tokens = _greedy_tokens(model, prefix, count)
    rates = {}
    for size in (1, BESIDE):
        _steps(model, prefix, size, tokens[:2])
        rates[size] = size * len(tokens) / max(_steps(model, prefix, size, tokens)[1], 1e-9)
    words = ", ".join(f"{rate:.0f} tokens a second at batch {size}" for size, rate in rates.items())
    evidence = {"steps": len(tokens), "rates": {str(size): rate for size, rate in rates.items()}}
    faster = rates[BESIDE] > rates[1]
    answer = f"{'yes' if faster else 'no'}: {words}, over {len(tokens)} steps just now, without the draw"
    return Finding("batching_pays", "Is it faster in a batch?", "yes" if faster else "no", answer, evidence)
