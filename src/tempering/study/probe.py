"""What a model really does with its settings. Knows both kinds of model; knows nothing of how it is shown."""

from __future__ import annotations

from tempering.errors import ModelError
from tempering.generation.decode import generate
from tempering.generation.prompts import read_prompt
from tempering.generation.request import Request
from tempering.models.base import LogitsModel, Model, PromptText
from tempering.models.openai import OpenAIModel
from tempering.params import SamplingParams
from tempering.sampling.facts import facts
from tempering.statistics import wilson
from tempering.study.findings import PROMPT, Finding, Probe, greedy
from tempering.study.server_probe import probe_server


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
    """Ask a model that gives logits what is left to ask: whether rounding moves its texts.

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
    engine = str(model.info.details.get("engine", "unknown"))
    return Probe(model.info.identity, engine, prompt, (acts, greedy(cold), seed), 4 * repeats)
