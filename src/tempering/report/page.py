"""The report: one self-contained HTML page without scripts. Arranges results; computes nothing new."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.resources import files
from typing import TYPE_CHECKING

from tempering.measures import measure
from tempering.models.base import shown_prompt
from tempering.report.figures import measure_figure
from tempering.report.numbers import interval, number, temperature
from tempering.report.untrusted import escaped, visible_token
from tempering.report.words import figure_in_words, settings_in_words, trend_groups

if TYPE_CHECKING:
    from tempering.generation.completion import Completion
    from tempering.study.results import NextToken, StudyResults

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
GROUPS = {
    "rises": "Rises with T",
    "falls": "Falls with T",
    "none": "No detectable trend",
    "undefined": "Could not be estimated",
}
TOKEN_COLUMNS = 7


def build_report(results: StudyResults) -> str:
    """Return the report of a study as one HTML document; the same results give the same bytes.

    The text of the model is escaped, and a policy in the page forbids scripts and every connection.
    """
    title = escaped(results.plan.name)
    sections = [
        _head(results),
        _section("In short", _in_short(results)),
        _section("What was run", _what_was_run(results)),
        *([_section("One next token", _next_token(results.next_token))] if results.next_token else []),
        _section("Measures against temperature", _figures(results)),
        _section("Texts side by side", _texts(results)),
        _section("All estimates", _estimates(results)),
        _section("How to read this page", HOW_TO_READ),
    ]
    style = files("tempering.report").joinpath("style.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: temperature study</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(sections)
        + f"\n<footer>Made by tempering {escaped(results.manifest.tempering)}.</footer>\n</main>\n</body>\n</html>\n"
    )


def _section(heading: str, content: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>"


def _head(results: StudyResults) -> str:
    plan, held = results.plan, len(results.completions)
    missing = ""
    if held < plan.size:
        missing = f'<p class="warning">Not complete: {held} of {plan.size} texts. The same command goes on.</p>'
    return (
        f"<header><h1>{escaped(plan.name)}: a temperature study</h1>"
        f'<p class="lead">What temperature does to the text of {escaped(results.manifest.model)}: {held} texts, '
        f"{len(plan.temperatures)} temperatures from {temperature(plan.temperatures[0])} to "
        f"{temperature(plan.temperatures[-1])}.</p>{missing}</header>"
    )


def _in_short(results: StudyResults) -> str:
    parts = []
    for kind, sentences in trend_groups(results).items():
        if sentences:
            items = "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences)
            parts.append(f'<h3>{GROUPS[kind]}</h3><ul class="found">{items}</ul>')
    note = (
        f"<p class='note'>Intervals are 95 % over prompts like these. Of {results.trends.height} intervals, one in "
        "twenty may miss. Measures of text are proxies: each figure says what is known of its worth.</p>"
    )
    return "\n".join(parts) + note


def _what_was_run(results: StudyResults) -> str:
    plan, manifest = results.plan, results.manifest
    details = ", ".join(f"{name} {_detail(value)}" for name, value in manifest.model_details.items())
    prompts = "".join(f"<li>{escaped(shown_prompt(prompt.content))}</li>" for prompt in plan.prompts)
    facts = {
        "Model": f"{escaped(manifest.model)} ({escaped(details)})" if details else escaped(manifest.model),
        "Sampling": escaped(settings_in_words(results)),
        "Temperatures": ", ".join(temperature(t) for t in plan.temperatures),
        "Samples": f"{plan.samples} of each of {len(plan.prompts)} prompts at each T, up to {plan.max_tokens} tokens",
        "Seed": f"{plan.seed}; the same sample index uses the same noise at every T, so texts at all T are paired",
        "Made": escaped(
            f"{manifest.created} with tempering {manifest.tempering}, Python {manifest.python}, {manifest.platform}"
        ),
    }
    rows = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<dl class="facts">{rows}</dl><details><summary>The prompts</summary><ol>{prompts}</ol></details>'


def _detail(value: str | int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _next_token(seen: NextToken) -> str:
    chosen = _few(sorted(seen.probabilities), TOKEN_COLUMNS)
    head = "".join(f'<th scope="col">T = {temperature(t)}</th>' for t in chosen)
    rows = []
    for index, token in enumerate(seen.tokens):
        cells = "".join(_share(seen.probabilities[t][index]) for t in chosen)
        rows.append(f'<tr><th scope="row">{visible_token(token)}</th>{cells}</tr>')
    rest = "".join(_share(max(0.0, 1 - sum(seen.probabilities[t]))) for t in chosen)
    rows.append(f'<tr><th scope="row"><em>all other tokens</em></th>{rest}</tr>')
    choices = "".join(f"<td>{number(math.exp(seen.entropies[t]))}</td>" for t in chosen)
    rows.append(f'<tr><th scope="row"><em>as random as a fair choice among</em></th>{choices}</tr>')
    return (
        f"<p>After “{escaped(seen.prompt)}” the model gives every token of its vocabulary a probability. Temperature "
        "moves it: low T gathers it on the likely tokens, high T spreads it over the rest. The last row puts each "
        "distribution into one number, exp of its entropy: how many equally likely tokens would be as random.</p>"
        + _scrolled(
            "Next-token probabilities",
            f'<table class="tokens"><thead><tr><th scope="col">next token</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>",
        )
    )


def _share(probability: float) -> str:
    width = f"{100 * min(1.0, probability):.2f}"
    shown = "0" if probability == 0 else "<0.001" if probability < 0.001 else f"{probability:.3f}"
    return f'<td><div class="bar" style="width:{width}%"></div><span>{escaped(shown)}</span></td>'


def _figures(results: StudyResults) -> str:
    figures = []
    for name in dict.fromkeys(results.estimates["measure"].to_list()):
        known, frame = measure(name), results.estimates.filter(results.estimates["measure"] == name)
        svg = measure_figure(frame, f"figure-{name}") if frame["mean"].is_not_null().any() else "<p>Undefined here.</p>"
        undefined = [temperature(row["temperature"]) for row in frame.to_dicts() if row["mean"] is None]
        gap = f" Undefined at T = {', '.join(undefined)}." if undefined else ""
        low, high = int(frame["n"].min() or 0), int(frame["n"].max() or 0)  # type: ignore[arg-type]
        n = f"n = {low} at each T" if low == high else f"n = {low} to {high} a T (where defined)"
        figures.append(
            f'<figure role="group" aria-label="{escaped(figure_in_words(results, name))}"><figcaption>'
            f'<span class="tag">{escaped(known.criterion)}</span><h3>{escaped(known.title)}</h3>'
            f'<span class="note">{escaped(known.unit)}; {n}.{gap}</span></figcaption>{svg}'
            f'<div class="more"><strong>Higher:</strong> {escaped(known.more)}.</div>'
            f'<div class="note">{escaped(known.validity)} Source: {escaped(known.source)}.</div></figure>'
        )
    return (
        "<p>Points are means, bands their 95 % intervals over prompts and samples.</p>"
        f'<div class="figures">{"".join(figures)}</div>'
    )


def _texts(results: StudyResults) -> str:
    plan, parts = results.plan, []
    for index, prompt in enumerate(plan.prompts):
        mine = [c for c in results.completions if c.prompt_id == prompt.id]
        for sample in range(plan.samples):
            row = _row_of_texts(c for c in mine if c.sample == sample)
            which = f"“{escaped(shown_prompt(prompt.content))}”, sample {sample + 1} of {plan.samples}"
            shown = " open" if index == 0 and sample == 0 else ""
            if row:
                parts.append(f"<details{shown}><summary>{which}</summary>{row}</details>")
    return (
        "<p>One sample is one stream of noise: read a row from left to right to see what T alone changes.</p>"
        + "".join(parts)
    )


def _row_of_texts(completions: Iterable[Completion]) -> str:
    articles = []
    for completion in completions:
        t = completion.params.temperature
        end = "" if completion.finish_reason == "stop" else ' <span class="note">[cut at the token limit]</span>'
        prompt = f'<span class="prompt">{escaped(shown_prompt(completion.prompt))}</span>'
        articles.append(
            f"<article><h3>T = {temperature(t)}{' (greedy)' if t == 0 else ''}</h3>"
            f'<div class="text">{prompt}{escaped(completion.text)}{end}</div>'
            "</article>"
        )
    if not articles:
        return ""
    return _scrolled("Texts by temperature", f'<div class="texts">{"".join(articles)}</div>')


def _scrolled(label: str, content: str) -> str:
    """Return content that scrolls sideways by itself, reachable by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{content}</div>'


def _estimates(results: StudyResults) -> str:
    rows = "".join(
        f"<tr><td>{escaped(measure(row['measure']).title)}</td><td>{temperature(row['temperature'])}</td>"
        f"<td>{number(row['mean'])}</td><td>{interval(row['low'], row['high'])}</td><td>{row['n']}</td>"
        f"<td>{row['prompts']}</td></tr>"
        for row in results.estimates.to_dicts()
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("measure", "T", "mean", "95 % interval", "n", "prompts"))
    return (
        "<details><summary>Every mean with its interval</summary>"
        + _scrolled("All estimates", f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
        + "</details>"
        "<p class='note'>The run folder holds the same numbers in estimates.json, every text in samples.jsonl and "
        "samples.parquet, every value in measures.parquet.</p>"
    )


def _few(values: list[float], count: int) -> list[float]:
    """Return at most ``count`` values spread over the list: both ends, and T = 1 where it is there."""
    if len(values) <= count:
        return values
    chosen = [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]
    if 1.0 in values and 1.0 not in chosen:
        nearest = min(chosen[1:-1], key=lambda value: abs(value - 1.0))
        chosen[chosen.index(nearest)] = 1.0
    return chosen


HOW_TO_READ = """
<p><strong>Temperature.</strong> A model gives every token a score (a logit). Softmax turns scores into probabilities
that lie between 0 and 1 and add up to 1; temperature T divides the scores first. T = 0 always takes the likeliest
token; T = 1 is the distribution the model was trained to give; above it, unlikely tokens come in. T sets how far the
text is determined by what the model learnt.</p>
<p><strong>Bands.</strong> A mean of a few texts is uncertain. The band is an interval that would hold the true mean in
about 95 of 100 such studies with other prompts of this kind. The prompt is the unit: three texts of one prompt are not
three independent witnesses. A band without width says that nothing varied in these texts, not that nothing can. What
is seen here holds for this model and prompts like these; another model or another task can differ.</p>
<p><strong>Paired texts.</strong> The same sample index uses the same random noise at every T, so a difference between
two columns is due to T and not to luck.</p>
<p><strong>Proxies.</strong> No formula reads a story. In the study by Peeperkorn and others (2024, arXiv 2405.00492)
people rated stories written at seven temperatures: the link with T was weak for novelty, moderate for incoherence, and
absent for cohesion and typicality; on re-analysis with the story as the unit even the first two are uncertain. The
share of words found in no other story tracked rated novelty at Spearman .50 on its 31 stories; compression tracked
nothing. A text of unknown words is "novel" too: look at the texts.</p>
"""
