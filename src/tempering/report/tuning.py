"""A recommendation as a page: the answer, its picture, what it rests on. Arranges; computes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tempering.measures import measure
from tempering.report.figures import INK, LINE, RULE, inlined
from tempering.report.numbers import interval, number, temperature
from tempering.report.parts import document, facts, section, table
from tempering.report.untrusted import escaped
from tempering.tuning.answer import KINDS, CurvePoint, Number, Recommendation
from tempering.tuning.export import EXPORTERS, render_checked
from tempering.tuning.export.base import Rendered
from tempering.tuning.goals import Bound

WIDTH, HEIGHT = 360, 190

ROLES = {
    "recommended": "recommended",
    "contrast": "the setting that it had to beat",
    "current": "in use now",
    "sampler": "best of another sampler",
}

TITLES = {"agreement": "Equal answers to a prompt", "surprise": "Surprise of a token, nats"}
"""Titles of the measures that a tuning run brings itself."""


def build_tuning_page(answer: Recommendation, *, target: str | None = None) -> str:
    """Return a recommendation as one HTML document; the same recommendation gives the same bytes.

    Args:
        answer: what the run says.
        target: an engine whose settings are shown, see ``tuning.export``.
    """
    head = (
        f"<header><h1>{escaped(answer.task)}: {escaped(KINDS[answer.kind])}</h1>"
        f'<p class="lead">{escaped(answer.sentence)}</p></header>'
    )
    return document(
        f"{answer.task}: which temperature",
        [
            head,
            section("The picture", _figures(answer)),
            section("Confirmed on fresh texts", _fresh(answer)),
            section("What must be known", _notes(answer)),
            section("For your engine", _engine(answer, target)),
            section("What was done", _done(answer)),
            section("How to read this page", HOW_TO_READ),
        ],
        version=answer.tempering,
        data=answer.model_dump(mode="json"),
    )


def _figures(answer: Recommendation) -> str:
    figures = []
    names = list(dict.fromkeys(point.measure for point in answer.curves))
    for name in names:
        points = [point for point in answer.curves if point.measure == name]
        bounds = [bound for bound in answer.goal.bounds if bound.measure == name]
        role = "objective" if name in answer.goal.objective else "bound"
        limits = "".join(f" Bound: {escaped(bound.in_words())}." for bound in bounds)
        n = sum(point.n for point in points)
        figures.append(
            f'<figure role="group" aria-label="{escaped(curve_in_words(answer, name))}"><figcaption>'
            f'<span class="tag">{role}</span><h3>{escaped(title_of(name))}</h3>'
            f'<span class="note">{n} texts of {answer.prompts} prompts.{limits}</span></figcaption>'
            f"{inlined(tuning_chart(answer, name), f'figure-{name}')}</figure>"
        )
    return (
        "<p>The line is what is believed of the curve, the band its 95 % interval, the points are means where texts "
        "were drawn, larger where there were more. The shaded part is what the answer speaks of.</p>"
        f'<div class="figures">{"".join(figures)}</div>'
    )


def tuning_chart(answer: Recommendation, name: str) -> Any:
    """Return the chart of one measure: belief, means, the answer's interval and setting, the bound if there is one."""
    import altair as alt  # noqa: PLC0415 - plotting is loaded when used

    points = sorted((p for p in answer.curves if p.measure == name), key=lambda point: point.temperature)
    rows = [point.model_dump() for point in points]
    x = alt.X("temperature:Q", axis=alt.Axis(title="temperature T", grid=False), scale=alt.Scale(nice=False))
    y_axis = alt.Axis(title=None, tickCount=4, format=",.4~f")
    low = min([0.0, *(point.low for point in points)])
    high = max([point.high for point in points] + [p.measured for p in points if p.measured is not None])
    scale = alt.Scale(domain=[low, high if high > low else low + 1.0], nice=True)
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=x)
    layers = []
    if answer.low is not None and answer.high is not None:
        span = alt.Chart(alt.InlineData(values=[{"a": answer.low, "b": answer.high}]))
        layers.append(span.mark_rect(color=LINE, opacity=0.12).encode(x=alt.X("a:Q"), x2="b:Q"))
    y: dict[str, Any] = {"axis": y_axis, "scale": scale}
    layers.append(base.mark_area(color=LINE, opacity=0.2).encode(y=alt.Y("low:Q", **y), y2="high:Q"))
    layers.append(base.mark_line(color=LINE, strokeWidth=2).encode(y=alt.Y("believed:Q", **y)))
    seen = alt.Chart(alt.InlineData(values=[row for row in rows if row["measured"] is not None])).encode(x=x)
    layers.append(
        seen.mark_point(color=INK, filled=True, opacity=0.8).encode(
            y=alt.Y("measured:Q", **y), size=alt.Size("n:Q", legend=None, scale=alt.Scale(range=[12, 110]))
        )
    )
    floors = [{"y": value} for bound in answer.goal.bounds if bound.measure == name for value in _places(bound, points)]
    if floors:
        rule = alt.Chart(alt.InlineData(values=floors))
        layers.append(rule.mark_rule(color=INK, strokeDash=[5, 3]).encode(y=alt.Y("y:Q", **y)))
    if answer.params is not None:
        mark = alt.Chart(alt.InlineData(values=[{"x": answer.params["temperature"]}]))
        layers.append(mark.mark_rule(color=LINE, strokeWidth=2, strokeDash=[2, 2]).encode(x="x:Q"))
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    chart = chart.configure(background="transparent").configure_view(stroke=None)
    return chart.configure_axis(
        labelColor=INK,
        titleColor=INK,
        domainColor=RULE,
        tickColor=RULE,
        gridColor=RULE,
        labelFontSize=11,
        titleFontSize=11,
        titleFontWeight="normal",
    )


def _places(bound: Bound, points: Sequence[CurvePoint]) -> Iterator[float]:
    """Yield where a bound lies; a relative one by the best believed value."""
    if bound.at_least is not None:
        yield bound.at_least
    if bound.at_most is not None:
        yield bound.at_most
    if bound.within is not None:
        believed = [point.believed for point in points]
        best = max(believed) if bound.best == "highest" else min(believed)
        yield best - bound.within * abs(best) if bound.best == "highest" else best + bound.within * abs(best)


def title_of(name: str) -> str:
    """Return a measure's title.

    Example:
        >>> title_of("surprise")
        'Surprise of a token, nats'
    """
    return TITLES[name] if name in TITLES else measure(name).title


def curve_in_words(answer: Recommendation, name: str) -> str:
    """Return what a figure shows, for those who cannot see it."""
    points = [point for point in answer.curves if point.measure == name and point.measured is not None]
    seen = "; ".join(
        f"{number(p.believed)} {interval(p.low, p.high)} at T = {temperature(p.temperature)}, n = {p.n}" for p in points
    )
    return f"{title_of(name)} against temperature: {seen}."


def _fresh(answer: Recommendation) -> str:
    if not answer.fresh:
        return ""
    rows = [
        (
            ROLES[row.role],
            temperature(row.temperature) + "".join(_truncation(row.top_p, row.min_p)),
            escaped(title_of(row.measure)),
            *_cells(row.estimate),
        )
        for row in answer.fresh
    ]
    head = ("", "T", "measure", "mean", f"{answer.confidence:.0%} interval", "texts", "prompts")
    effect = ""
    if answer.effect:
        value, ends, n, prompts = _cells(answer.effect)
        could = (
            "" if answer.detectable is None else f" A difference of {number(answer.detectable)} would have been seen "
        )
        could += "with a chance of 80 %." if could else ""
        effect = (
            f"<p>{escaped(answer.goal.objective_name)}, recommended less contrast: {value} {ends}; "
            f"{n} differences of {prompts} prompts.{could}</p>"
        )
    return "<p>These texts took no part in the search.</p>" + effect + table("Fresh texts", head, rows)


def _truncation(top_p: float, min_p: float) -> Iterator[str]:
    if top_p != 1:
        yield f", top_p {top_p:g}"
    if min_p != 0:
        yield f", min_p {min_p:g}"


def _cells(estimate: Number) -> tuple[str, str, str, str]:
    return (
        number(estimate.value),
        interval(estimate.low, estimate.high),
        str(estimate.n),
        str(estimate.prompts),
    )


def _notes(answer: Recommendation) -> str:
    items = "".join(f"<li>{escaped(note)}</li>" for note in answer.notes)
    return f'<ul class="found">{items}</ul>' if items else ""


def _engine(answer: Recommendation, target: str | None) -> str:
    settings = answer.settings
    if settings is None or target is None:
        return ""
    exporter = EXPORTERS[target]
    rendered: Rendered = render_checked(target, settings)
    warnings = "".join(f"<li>{escaped(warning)}</li>" for warning in rendered.warnings)
    return f"<p>{escaped(exporter.title)}:</p><pre>{escaped(rendered.text)}</pre><ul>{warnings}</ul>"


def _done(answer: Recommendation) -> str:
    finer = "make the interval as narrow as the margin" if answer.kind == "value" else "decide"
    more = "none needed" if answer.more_samples is None else f"about {answer.more_samples:,} texts more would {finer}"
    order = (answer.params or {}).get("order", "")
    goal = f"{answer.goal.name}: {answer.goal.in_words()}; smallest difference that matters {answer.goal.margin:g}"
    pairs = [
        ("Goal", escaped(goal)),
        ("Model", escaped(answer.model)),
        ("Task", escaped(answer.task)),
        ("Prompts", f"{answer.prompts} to search with, {answer.held_out} held out"),
        ("Spent", f"{answer.samples:,} texts, {answer.tokens:,} tokens"),
        ("Not graded", f"{len(answer.errors)} texts" if answer.errors else "nothing failed"),
        ("More budget", more),
        ("Order of steps", escaped(order if isinstance(order, str) else " > ".join(order))),
        ("In use before", f"T = {temperature(answer.current)}"),
        ("Seed", f"{answer.seed}; the same text index has the same noise at every T"),
        ("Made", escaped(f"{answer.created} with tempering {answer.tempering}")),
    ]
    return facts(pairs)


HOW_TO_READ = """
<p><strong>The answer.</strong> A value: the best T lies in the interval. A range: all of it is within the smallest
difference that matters, or no T in it can be told from the best, and then it is said how large a difference may still
be; a default in it can stay. No detectable effect: the winner did not beat the setting believed worst on fresh texts,
and the page says what could have been seen.</p>
<p><strong>Why fresh texts.</strong> The winner of noisy trials looks better than it is. So it is measured again, on
texts and where possible on prompts that the search had not seen, before it is called a winner.</p>
<p><strong>Intervals</strong> are for new prompts like these. Prompts are the unit: ten texts of one prompt are not ten
witnesses.</p>
"""
