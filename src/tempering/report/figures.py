"""Figures: estimates against temperature as SVG that follows the colours of the page. Knows nothing of pages."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from tempering.report.numbers import temperature

if TYPE_CHECKING:
    import polars as pl

LINE, INK, RULE = "#010203", "#010204", "#010205"
"""Stand-ins that become the page's colours, so that a figure is readable in light, dark and print."""

COLOURS = {LINE: "var(--accent)", INK: "var(--soft-ink)", RULE: "var(--rule)"}
WIDTH, HEIGHT = 330, 170
LOG_FROM = 100
"""From this ratio of the largest to the smallest value on, a figure of values above 1 has a logarithmic axis."""


def measure_figure(estimates: pl.DataFrame, name: str) -> str:
    """Return one measure against T as SVG: the mean as a line with points, the 95 % interval as a band.

    Args:
        estimates: rows of one measure with ``temperature``, ``mean``, ``low``, ``high``; null leaves a gap.
        name: makes the ids inside the SVG unique on the page.
    """
    import altair as alt  # noqa: PLC0415 - plotting is loaded when used
    import vl_convert  # noqa: PLC0415

    rows = _placed(estimates)
    labels = {row["x"]: temperature(row["temperature"]) for row in rows}
    ticks = _spread(sorted(labels))
    axis = alt.Axis(
        values=ticks,
        labelExpr=f"{json.dumps({f'{x:.6g}': label for x, label in labels.items()})}[format(datum.value, '.6~g')]",
        title="temperature T",
        grid=False,
        labelOverlap=False,
        labelFlush=False,
    )
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False, zero=False, padding=10))
    )
    high = max((v for row in rows for v in (row["high"], row["mean"]) if v is not None), default=1.0)
    low = min((v for row in rows for v in (row["low"], row["mean"]) if v is not None), default=0.0)
    wide = low >= 1 and high > LOG_FROM * low
    settings: dict[str, Any] = {
        "axis": alt.Axis(title="log scale" if wide else None, tickCount=4, format=",.4~f"),
        "scale": alt.Scale(type="log", nice=True) if wide else _linear(low, high),
    }
    y = alt.Y("mean:Q", **settings)
    band = base.mark_area(color=LINE, opacity=0.22).encode(y=alt.Y("low:Q", **settings), y2="high:Q")
    line = base.mark_line(color=LINE, strokeWidth=2).encode(y=y)
    points = base.mark_point(color=LINE, fill=LINE, opacity=1, size=26).encode(y=y)
    chart = (band + line + points).properties(width=WIDTH, height=HEIGHT)
    chart = chart.configure(background="transparent").configure_view(stroke=None)
    chart = chart.configure_axis(
        labelColor=INK,
        titleColor=INK,
        domainColor=RULE,
        tickColor=RULE,
        gridColor=RULE,
        labelFontSize=11,
        titleFontSize=11,
        titleFontWeight="normal",
    )
    return _inlined(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)), name)


def _linear(low: float, high: float) -> Any:
    """Return a scale that holds 0, as half a picture of a share misleads."""
    import altair as alt  # noqa: PLC0415

    floor = min(0.0, low)
    return alt.Scale(domain=[floor, high if high > floor else 1.0], nice=True)


def _placed(estimates: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows with a place on the axis; T = inf stands to the right of the others, under its own label."""
    rows = estimates.sort("temperature").to_dicts()
    finite = [row["temperature"] for row in rows if math.isfinite(row["temperature"])]
    last = max(finite, default=0.0)
    beyond = last + max(0.15 * (last - min(finite, default=0.0)), 0.25)
    placed = []
    for row in rows:
        x = row["temperature"] if math.isfinite(row["temperature"]) else beyond
        placed.append({"x": x} | {key: row[key] for key in ("mean", "low", "high", "temperature")})
    return placed


def _spread(places: list[float], least: float = 0.09) -> list[float]:
    """Return those places whose labels do not touch: the last, and others far enough from those chosen."""
    if not places:
        return []
    span = (places[-1] - places[0]) or 1.0
    chosen = [places[-1]]
    for place in places[:-1]:
        if all(abs(place - other) >= least * span for other in chosen):
            chosen.append(place)
    return sorted(chosen)


def _inlined(svg: str, name: str) -> str:
    """Make an SVG part of a page: page colours and fonts, unique ids, a size that follows the column."""
    for stand_in, colour in COLOURS.items():
        svg = svg.replace(stand_in, colour)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('font-family="sans-serif"', 'font-family="inherit"')
    # Its own title and roles would be read beside the caption, once a point; the figure carries one label instead.
    svg = re.sub(r'\s(?:role|aria-[a-z]+)="[^"]*"', "", svg)
    svg = re.sub(r'<svg([^>]*?) width="[\d.]+" height="[\d.]+"', r"<svg\1", svg, count=1)
    return re.sub(r"<svg", '<svg aria-hidden="true" focusable="false"', svg, count=1)
