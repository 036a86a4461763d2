"""The report: one self-contained HTML page without scripts. Arranges results; computes nothing new."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tempering.measures import measure
from tempering.report.audits import audit_section, cap_of_run
from tempering.report.builtin import Findings, findings_of, thermodynamics
from tempering.report.criteria import comparisons, correlations, figures, trade_off
from tempering.report.data import data_of
from tempering.report.methods import methods
from tempering.report.numbers import interval, number, temperature
from tempering.report.parts import document, scrolled, section, table
from tempering.report.probes import probe_box
from tempering.report.texts import texts
from tempering.report.untrusted import escaped, visible_token
from tempering.report.words import summary, trend_groups

if TYPE_CHECKING:
    from tempering.study.results import NextToken, StudyResults

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
    found = findings_of({"": results}) if not results.plan.arm else Findings()
    sections = [
        _head(results),
        section("In short", _in_short(results)),
        section(found.heading, found.section),
        section("Each criterion against temperature", figures(results)),
        section("What T buys and what it costs", trade_off(results)),
        section("Compared with a reference", comparisons(results)),
        section("Correlations", correlations(results)),
        section("Texts side by side", texts(results)),
        section("The audit: what acts beside temperature", audit_section(results)),
        section("The server: what it does", probe_box(results.manifest.probe) if results.manifest.probe else ""),
        section("The steps: entropy, heat capacity, information", thermodynamics(results)),
        section("One next token", _next_token(results.next_token) if results.next_token else ""),
        section("Methods", methods(results)),
        section("All estimates", _estimates(results)),
        section("How to read this page", HOW_TO_READ),
    ]
    title = f"{results.plan.name}: temperature study"
    return document(
        title,
        filter(None, sections),
        version=results.manifest.tempering,
        data=data_of(results) | {"findings": found.data},
    )


def _head(results: StudyResults) -> str:
    plan, held = results.plan, len(results.completions)
    missing = ""
    if held < plan.size:
        missing = f'<p class="warning">Not complete: {held} of {plan.size} texts. The same command goes on.</p>'
    return (
        f"<header><h1>{escaped(plan.name)}: a temperature study</h1>"
        f'<p class="lead">What temperature does to the text of {escaped(results.manifest.model)}: {held:,} texts, '
        f"{len(plan.temperatures)} temperatures from {temperature(plan.temperatures[0])} to "
        f"{temperature(plan.temperatures[-1])}.</p>{missing}</header>"
    )


def _in_short(results: StudyResults) -> str:
    cap = cap_of_run(results)
    warning = f'<p class="warning">{escaped(cap)}</p>' if cap else ""
    said = "".join(f"<li>{escaped(sentence)}</li>" for sentence in summary(results))
    lead = f'<h3>Against T = {temperature(results.against)}</h3><ul class="found">{said}</ul>' if said else ""
    parts = []
    for kind, sentences in trend_groups(results).items():
        if sentences:
            items = "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences)
            parts.append(f'<div><h3>{GROUPS[kind]}</h3><ul class="found">{items}</ul></div>')
    unit = "prompts like these" if len(results.plan.prompts) > 1 else "further samples of this one prompt"
    note = (
        f"<p class='note'>Intervals are 95 % over {unit}; one in twenty may miss. Measures of text are proxies: each "
        "figure says what is known of its worth.</p>"
    )
    return f'{warning}<div class="groups">{"".join(parts)}</div>{lead}{note}'


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
        + scrolled(
            "Next-token probabilities",
            f'<table class="tokens"><thead><tr><th scope="col">next token</th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table>",
        )
    )


def _share(probability: float) -> str:
    width = f"{100 * min(1.0, probability):.2f}"
    shown = "0" if probability == 0 else "<0.001" if probability < 0.001 else f"{probability:.3f}"
    return f'<td><div class="bar" style="width:{width}%"></div><span>{escaped(shown)}</span></td>'


def _estimates(results: StudyResults) -> str:
    rows = [
        [
            escaped(measure(row["measure"]).title),
            temperature(row["temperature"]),
            number(row["mean"]),
            interval(row["low"], row["high"]),
            f"{row['n']}",
            f"{row['prompts']}",
        ]
        for row in results.estimates.to_dicts()
    ]
    head = ("measure", "T", "mean", "95 % interval", "n", "prompts")
    between = _between(results)
    return (
        f"<details><summary>Every mean with its "
        f"interval</summary>{table('All estimates', head, rows)}</details>{between}"
        "<p class='note'>The same numbers are in this page as JSON, in the block with the id “data”; the run folder "
        "has them in estimates.json, every text in samples.jsonl and samples.parquet, every value in "
        "measures.parquet.</p>"
    )


def _between(results: StudyResults) -> str:
    """Return the estimates between the sampled temperatures, folded away; nothing where there are none."""
    if not results.between:
        return ""
    rows = [
        [
            escaped(measure(row.measure).title),
            temperature(row.temperature),
            f"{number(row.mean)} {interval(row.low, row.high)}",
            number(row.ess),
        ]
        for row in results.between
        if row.mean is not None
    ]
    refused = len(results.between) - len(rows)
    head = ("measure", "T", "mean", "effective texts")
    return (
        f"<details><summary>Between the temperatures, by reweighting: {len(rows)} estimates, {refused:,} refused"
        f"</summary><p class='note'>The same texts, weighted as if drawn at another T; refused where too few of them "
        f"would count.</p>{table('Between the temperatures', head, rows) if rows else ''}</details>"
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
<p><strong>Intervals.</strong> A mean of a few texts is uncertain. The interval would hold the true mean in about 95 of
100 such studies with other prompts of this kind. The prompt is the unit: three texts of one prompt are not three
independent witnesses. An interval without width says that nothing varied in these texts, not that nothing can. What is
seen here holds for this model and prompts like these; another model or another task can differ.</p>
<p><strong>Paired texts.</strong> The same sample index uses the same random noise at every T, so a difference between
two columns is due to T and not to luck.</p>
<p><strong>Proxies.</strong> No formula reads a story. In the study by Peeperkorn and others (2024, arXiv 2405.00492)
people rated stories written at seven temperatures: the link with T was weak for novelty, moderate for incoherence, and
absent for cohesion and typicality; on re-analysis with the story as the unit even the first two are uncertain. The
share of words found in no other story tracked rated novelty at Spearman .50 on its 31 stories; compression tracked
nothing. A text of unknown words is "novel" too: look at the texts.</p>
"""
