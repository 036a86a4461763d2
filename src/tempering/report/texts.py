"""Texts of one seed at every temperature, side by side. Model text is hostile: everything goes through ``escaped``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tempering.models.base import shown_prompt
from tempering.report.numbers import temperature
from tempering.report.parts import scrolled
from tempering.report.untrusted import escaped

if TYPE_CHECKING:
    from tempering.generation.completion import Completion
    from tempering.study.results import StudyResults

ROWS = 24
"""The most rows of texts on a page: every text is in the run folder."""


def texts(results: StudyResults, *, rows: int = ROWS) -> str:
    """Return a row for each prompt and sample index: the texts of the same noise at every T.

    Args:
        results: of the study.
        rows: the most rows, first samples first.
    """
    plan, parts = results.plan, list[str]()
    places = [(prompt, sample) for sample in range(plan.samples) for prompt in plan.prompts]
    shown = set(places[:rows])
    for prompt, sample in ((p, s) for p in plan.prompts for s in range(plan.samples) if (p, s) in shown):
        mine = [c for c in results.completions if c.prompt_id == prompt.id and c.sample == sample]
        if mine:
            which = f"“{escaped(shown_prompt(prompt.content))}”, sample {sample + 1} of {plan.samples}"
            state = " open" if not parts else ""
            parts.append(f"<details{state}><summary>{which}</summary>{_row(mine)}</details>")
    rest = len(places) - len(shown)
    left = f" {rest:,} more such rows are in the run folder." if rest > 0 else ""
    noise = "the same noise at every temperature, so that texts differ by T and not by luck"
    if not results.paired:
        noise = "the server drew each text with noise of its own, so that texts differ by luck as well as by T"
    return (
        f"<p>Every row is one prompt and one sample index: {noise}. What a text shares with its neighbour on the left "
        f"is set in grey.{left}</p>" + "".join(parts)
    )


def _shared(first: str, second: str) -> int:
    """Return how many characters two texts begin with in common."""
    pairs = zip(first, second, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _row(completions: Iterable[Completion]) -> str:
    articles, before = [], ""
    for completion in completions:
        t, text = completion.params.temperature, completion.text
        shared = _shared(before, text)
        end = "" if completion.finish_reason == "stop" else ' <span class="note">[cut at the token limit]</span>'
        same = f'<span class="same">{escaped(text[:shared])}</span>' if shared else ""
        articles.append(
            f"<article><h3>T = {temperature(t)}{' (greedy)' if t == 0 else ''}</h3>"
            f'<div class="text"><span class="prompt">{escaped(shown_prompt(completion.prompt))}</span>'
            f"{same}{escaped(text[shared:])}{end}</div></article>"
        )
        before = text
    return scrolled("Texts by temperature", f'<div class="texts">{"".join(articles)}</div>')
