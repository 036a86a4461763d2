"""What a server really does with its settings: asked, not believed. Knows nothing of how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tempering.errors import ServerError
from tempering.generation.served import server_seed
from tempering.models.answers import Piece
from tempering.models.base import PromptText, TextRequest
from tempering.models.openai import OpenAIModel
from tempering.params import SamplingParams
from tempering.statistics import wilson
from tempering.study.findings import (
    GREEDY,
    LEVEL,
    PROMPT,
    Finding,
    Probe,
    fewer_kinds,
    greedy,
    group_of,
    part_sooner,
)

TEMPERATURES = (0.0, 0.5, 1.0, 1.5, 2.0, 5.0)
REFUSALS = {400, 422}
TRUNCATIONS = {"top_k": 1, "top_p": 1e-4, "min_p": 1.0}
"""Fields and a value that leaves one token."""

ZERO_REFUSED = Finding("greedy_repeatable", GREEDY, "unknown", "T = 0 is refused", {})


def probe_server(
    model: OpenAIModel, *, prompt: PromptText = PROMPT, repeats: int = 8, draws: int = 24, max_tokens: int = 24
) -> Probe:
    """Ask a server what it does with temperature, truncations, seeds and logprobs.

    Args:
        model: the server.
        prompt: what to ask; one that many words can follow.
        repeats: texts in each group that is compared; with fewer than 6 no difference can be told.
        draws: one-token texts in each group, >= 8.
        max_tokens: the length of the longer texts.

    Raises:
        ServerError: the server cannot be reached, or answers nothing that can be read.
        BudgetError: the budget of the model does not last.
    """
    asker = _Asker(model, prompt, max_tokens)
    refused = _refused(asker)
    accepted = [t for t in TEMPERATURES if t not in refused.evidence["refused"]]
    hot = max((t for t in accepted if t <= 2), default=1.0)
    cold = asker.texts([asker.body(min(accepted), seed) for seed in range(repeats)])
    warm = asker.texts([asker.body(hot, seed) for seed in range(repeats)])
    spread = asker.texts([asker.body(hot, seed, limit=1) for seed in range(draws)])
    findings = (
        refused,
        _acts(cold, warm, hot),
        greedy(cold) if 0.0 in accepted else ZERO_REFUSED,
        (seed := _seed(asker, repeats)),
        _logprobs(asker, hot),
        *(_truncation(asker, name, hot, spread) for name in TRUNCATIONS),
        *_defaults(asker, hot, spread, seed.verdict == "yes"),
        _default_temperature(asker, repeats, seed),
    )
    return Probe(model.info.identity, model.dialect.title, prompt, findings, asker.sent)


def fingerprint_of(model: OpenAIModel, prompt: PromptText = PROMPT, *, max_tokens: int = 24) -> dict[str, str]:
    """Return what tells a server's weights from others that it serves under the same name.

    ``listed``: what its list of models says of the model, times left out. ``greedy``: what it writes at T = 0, where
    three texts agree; left out where they do not, or T = 0 is refused. ``build``: its ``system_fingerprint``, which is
    kept for the reader and not compared, as it changes with the server's version.

    Raises:
        ServerError: the server cannot be reached, or answers nothing that can be read.
        BudgetError: the budget of the model does not last.
    """
    found = {"listed": json.dumps(model.listed, sort_keys=True)} if model.listed else {}
    body = _Asker(model, prompt, max_tokens).body(0.0, 0)
    texts = []
    for _ in range(3):
        try:
            pieces, content = model.ask(body, tokens=max_tokens)
        except ServerError as problem:
            if problem.status in REFUSALS:
                return found
            raise
        texts += [piece.text for piece in pieces[:1]]
        if isinstance(content, dict) and isinstance(content.get("system_fingerprint"), str):
            found["build"] = content["system_fingerprint"]
    return found | ({"greedy": texts[0]} if len(texts) == 3 and len(set(texts)) == 1 else {})


class _Asker:
    """Sends requests, several at once, and counts them."""

    def __init__(self, model: OpenAIModel, prompt: PromptText, max_tokens: int) -> None:
        self.model, self.prompt, self.max_tokens, self.sent = model, prompt, max_tokens, 0

    def body(
        self, temperature: float, seed: int, *, limit: int | None = None, changes: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return a request with everything off; ``changes`` are set, or left out where they are None."""
        params = SamplingParams(temperature=temperature)
        request = TextRequest(self.prompt, params, server_seed(seed, "probe", 0), limit or self.max_tokens)
        body = self.model.body(request) | (changes or {})
        return {key: value for key, value in body.items() if value is not None}

    def all(self, bodies: Sequence[dict[str, Any]]) -> list[Piece | ServerError]:
        """Return the first choice of each answer, or the error of one that is refused."""
        self.sent += len(bodies)
        with ThreadPoolExecutor(self.model.concurrency) as pool:
            return list(pool.map(self._one, bodies))

    def texts(self, bodies: Sequence[dict[str, Any]]) -> list[str]:
        """Return the texts; a refusal is raised."""
        found = []
        for answer in self.all(bodies):
            if isinstance(answer, ServerError):
                raise answer
            found.append(answer.text)
        return found

    def _one(self, body: dict[str, Any]) -> Piece | ServerError:
        try:
            pieces, _ = self.model.ask(body, tokens=self.max_tokens)
        except ServerError as problem:
            if problem.status in REFUSALS:
                return problem
            raise
        if not pieces:
            raise ServerError(f"{self.model.info.name}: the answer holds no choice")
        return pieces[0]


def _refused(asker: _Asker) -> Finding:
    answers = asker.all([asker.body(t, 0, limit=1) for t in TEMPERATURES])
    said = {t: str(a) for t, a in zip(TEMPERATURES, answers, strict=True) if isinstance(a, ServerError)}
    if len(said) == len(TEMPERATURES):
        raise ServerError(f"every request is refused: {said[1.0]}")
    tried = ", ".join(f"{t:g}" for t in TEMPERATURES)
    words = ", ".join(f"{t:g}" for t in said)
    answer = f"yes: {words} (the server's words: {next(iter(said.values()))})" if said else f"no, none of {tried}"
    evidence = {"tried": list(TEMPERATURES), "refused": list(said), "messages": list(said.values())}
    return Finding("temperature_refused", "Is any T refused?", "yes" if said else "no", answer, evidence)


def _acts(cold: list[str], warm: list[str], hot: float) -> Finding:
    p = part_sooner(cold, warm)
    evidence = {
        "cold": group_of(cold),
        "hot": group_of(warm) | {"temperature": hot},
        "p": p,
    }
    counts = (
        f"{len(set(cold))} different texts of {len(cold)} at the lowest T, "
        f"{len(set(warm))} of {len(warm)} at T = {hot:g}"
    )
    if p < LEVEL:
        return Finding("temperature_acts", "Does T act?", "yes", f"yes: {counts} (p = {p:.2g})", evidence)
    answer = f"no effect seen: {counts} (p = {p:.2g})"
    return Finding("temperature_acts", "Does T act?", "no", answer, evidence)


def _seed(asker: _Asker, repeats: int) -> Finding:
    seeds = range(100, 100 + max(repeats // 2, 2))
    texts = asker.texts([asker.body(1.0, seed) for seed in (*seeds, *seeds)])
    same = [first == second for first, second in zip(texts[: len(seeds)], texts[len(seeds) :], strict=True)]
    others = len(set(texts[: len(seeds)]))
    share = wilson(same, range(len(same)))
    evidence = {"pairs": len(same), "equal": sum(same), "low": share.low, "high": share.high, "different": others}
    counts = f"{sum(same)} of {len(same)} pairs of one seed agree (share [{share.low:.2f}, {share.high:.2f}])"
    question = "Does the seed hold?"
    if others == 1:
        answer = f"it changes nothing at T = 1: all {len(texts)} texts are the same"
        return Finding("seed_holds", question, "unknown", answer, evidence)
    return Finding("seed_holds", question, "yes" if all(same) else "no", counts, evidence)


def _logprobs(asker: _Asker, hot: float) -> Finding:
    chat = not isinstance(asker.prompt, str)
    question = "Are logprobs raw (at T = 1) or processed?"

    def asked(count: int) -> dict[str, Any]:
        return {"logprobs": True, "top_logprobs": count} if chat else {"logprobs": count}

    tops: list[dict[str, float]] = []
    for temperature in (1.0, hot):
        try:
            [answer] = asker.all([asker.body(temperature, 0, limit=1, changes=asked(5))])
        except ServerError as problem:
            return Finding("logprobs", question, "unknown", f"it gives none: {problem}", {"most": 0})
        if isinstance(answer, ServerError) or not answer.top or not answer.top[0]:
            why = f" ({answer})" if isinstance(answer, ServerError) else ""
            return Finding("logprobs", question, "unknown", f"it gives none{why}", {"most": 0})
        tops.append(dict(answer.top[0]))
    most = len(tops[0])
    for count in (20, 100, 1000):
        [answer] = asker.all([asker.body(1.0, 0, limit=1, changes=asked(count))])
        if isinstance(answer, ServerError) or not answer.top:
            break
        most = max(most, len(answer.top[0]))
        if len(answer.top[0]) < count:
            break
    if hot == 1.0:
        return Finding("logprobs", question, "unknown", f"up to {most} a token; no other T is accepted", {"most": most})
    shared = sorted(tops[0].keys() & tops[1].keys(), key=lambda token: -tops[0][token])[:5]
    if len(shared) < 2:
        words = f"up to {most} a token; at T = 1 and T = {hot:g} they name other tokens"
        return Finding("logprobs", question, "unknown", words, {"most": most})
    first, second = (np.array([top[token] for token in shared]) for top in tops)
    moved = float(np.abs(first - second).max())
    scaled = float(np.abs((first - first[0]) / hot - (second - second[0])).max())
    evidence = {"most": most, "temperatures": [1.0, hot], "shared": len(shared), "moved": moved, "scaled": scaled}
    kind = "raw" if moved < 0.05 else "processed" if scaled < 0.05 else "unclear"
    words = {
        "raw": f"raw: the same at T = 1 and T = {hot:g} (largest difference {moved:.2g} nats)",
        "processed": f"processed: at T = {hot:g} their differences are 1/{hot:g} of those at T = 1",
        "unclear": f"neither: between T = 1 and T = {hot:g} they move by {moved:.2g} nats",
    }[kind]
    words = f"{words}; up to {most} a token, a cut list"
    return Finding("logprobs", question, "yes" if kind == "raw" else "no", words, evidence | {"kind": kind})


def _truncation(asker: _Asker, name: str, hot: float, spread: list[str]) -> Finding:
    """Ask for the truncation that leaves one token, and see whether it does."""
    count, word = max(len(spread) // 2, 4), asker.model.dialect.words.get(name, name)
    answers = asker.all([asker.body(hot, seed, limit=1, changes={word: TRUNCATIONS[name]}) for seed in range(count)])
    question = f"Is {name} honoured?"
    refused = [answer for answer in answers if isinstance(answer, ServerError)]
    texts = [answer.text for answer in answers if isinstance(answer, Piece)]
    evidence = {"value": TRUNCATIONS[name], "n": count, "different": len(set(texts)), "refused": len(refused)}
    evidence["different_without"] = len(set(spread[:count]))
    if refused:
        return Finding(f"{name}_honoured", question, "no", f"refused: {refused[0]}", evidence)
    counts = f"{len(set(texts))} different tokens of {count} with it, {len(set(spread[:count]))} without"
    if len(set(spread[:count])) < 3:
        return Finding(f"{name}_honoured", question, "unknown", f"cannot be told: {counts}", evidence)
    if len(set(texts)) == 1:
        return Finding(f"{name}_honoured", question, "yes", f"yes: {counts}", evidence)
    return Finding(f"{name}_honoured", question, "no", f"accepted and ignored: {counts}", evidence)


def _defaults(asker: _Asker, hot: float, spread: list[str], holds: bool) -> list[Finding]:
    """Leave fields out, one and all, and see whether the tokens become fewer, or others under the same seeds."""
    words, n, found = asker.model.dialect.words, len(spread), []
    known = [name for name in TRUNCATIONS if name in words]
    silent: dict[str, Any] = {words[name]: None for name in words if name != "temperature"}
    silent |= dict.fromkeys([*asker.model.dialect.always, "samplers"])
    plan = [("defaults_act", "Do defaults act where nothing but T is sent?", silent)]
    plan += [(f"{name}_default", f"Does a default {name} act?", {words[name]: None}) for name in known]
    for key, question, left_out in plan:
        texts = asker.texts([asker.body(hot, one, limit=1, changes=left_out) for one in range(n)])
        same = sum(first == second for first, second in zip(spread, texts, strict=True))
        p = fewer_kinds(spread, texts)
        counts = f"{len(set(texts))} different tokens of {n} where left out, {len(set(spread))} where sent as off"
        evidence = {"n": n, "different_sent": len(set(spread)), "different_left_out": len(set(texts)), "p": p}
        acts = p < LEVEL
        if holds:  # the same seeds: then one other token is enough
            counts += f"; {same} of {n} are those that the same seeds give"
            evidence["equal"] = same
            acts = same < n
        else:
            counts += f" (p = {p:.2g})"
        found.append(
            Finding(key, question, "yes" if acts else "no", f"{'yes' if acts else 'none seen'}: {counts}", evidence)
        )
    return found


def _default_temperature(asker: _Asker, repeats: int, seed: Finding) -> Finding:
    """Leave T out: under the same seeds the texts are those of T = 1, or another T is the default."""
    question, word = "Is another T than 1 the default?", asker.model.dialect.words["temperature"]
    if seed.verdict != "yes":
        return Finding("temperature_default", question, "unknown", "cannot be told, as the seed does not hold", {})
    seeds = range(200, 200 + repeats)
    sent = asker.texts([asker.body(1.0, one) for one in seeds])
    left_out = asker.texts([asker.body(1.0, one, changes={word: None}) for one in seeds])
    same = sum(first == second for first, second in zip(sent, left_out, strict=True))
    answer = f"{same} of {repeats} texts without T are those that the same seeds give at T = 1"
    evidence = {"n": repeats, "equal": same}
    if same == repeats:
        return Finding("temperature_default", question, "no", f"none seen: {answer}", evidence)
    return Finding("temperature_default", question, "yes", f"yes: {answer}", evidence)
