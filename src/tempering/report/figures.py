"""Figures: estimates against temperature as SVG that follows the colours of the page. Knows nothing of pages.

Altair describes them and vl-convert draws them, here and offline. They hold no script: a figure with Vega's own runtime
would add 0.9 MB to every page and would have to be allowed to run code beside the text of a model, for the sake of a
hover; here a point tells its numbers by the ``<title>`` that SVG has for it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tempering.report.numbers import interval, number, temperature

if TYPE_CHECKING:
    import polars as pl

LINE, INK, RULE, SECOND = "#010203", "#010204", "#010205", "#010206"
"""Stand-ins that become the page's colours, so that a figure is readable in light, dark and print."""

COLOURS = {LINE: "var(--accent)", INK: "var(--soft-ink)", RULE: "var(--rule)", SECOND: "var(--second)"}
ON_WHITE = {LINE: "#a8431f", INK: "#55555c", RULE: "#c9c5be", SECOND: "#2f5f8a"}
"""The colours of a figure in a file of its own."""

WIDTH, HEIGHT = 330, 170
LOG_FROM = 100
"""From this ratio of the largest to the smallest value on, a figure of values above 1 has a logarithmic axis."""

TIP = "tip: "
NUMBERS = ("mean", "low", "high", "band_low", "band_high")


def measure_chart(
    arms: Mapping[str, pl.DataFrame] | pl.DataFrame, between: Sequence[Mapping[str, float | None]] = ()
) -> Any:
    """Return one measure against T: means as points on a line, their 95 % intervals as bars, the band as an area.

    Args:
        arms: rows of one measure with ``temperature``, ``mean``, ``low``, ``high``, ``n`` and, if there is a band,
            ``band_low``, ``band_high``; null leaves a gap. Or such rows for each of at most two arms, by name.
        between: ``temperature``, ``mean``, ``low``, ``high`` of temperatures that were not sampled: a dashed line with
            its area, and a cross on the axis where the mean is None.
    """
    import altair as alt  # noqa: PLC0415 - plotting is loaded when used

    frames = arms if isinstance(arms, Mapping) else {"": arms}
    placed = {name: _placed(frame) for name, frame in frames.items()}
    rows = [row for found in placed.values() for row in found]
    known = [row[key] for row in (*rows, *between) for key in NUMBERS if row.get(key) is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    wide = low >= 1 and high > LOG_FROM * low
    y: dict[str, Any] = {
        "axis": alt.Axis(title="log scale" if wide else None, tickCount=4, format=",.4~f"),
        "scale": alt.Scale(type="log", nice=True) if wide else _linear(low, high),
    }
    x = _temperature_axis(rows)
    layers: list[Any] = _between(between, x, y) if between else []
    for (name, found), colour in zip(placed.items(), (LINE, SECOND), strict=False):
        second = colour == SECOND
        told = [row | {"tip": f"{TIP}{name + ', ' if name else ''}{_told(row)}"} for row in found]
        base = alt.Chart(alt.InlineData(values=told)).encode(x=x)
        layers += [
            base.mark_area(color=colour, opacity=0.18).encode(y=alt.Y("band_low:Q", **y), y2="band_high:Q"),
            base.mark_line(color=colour, strokeWidth=2, strokeDash=[5, 3] if second else [1, 0]).encode(
                y=alt.Y("mean:Q", **y)
            ),
            base.mark_rule(color=colour, strokeWidth=1.5).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
            base.mark_point(
                color=colour,
                fill=colour,
                opacity=1,
                size=30,
                shape="diamond" if second else "circle",
            ).encode(y=alt.Y("mean:Q", **y), description="tip:N"),
        ]
    return _dressed(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def _between(rows: Sequence[Mapping[str, float | None]], x: Any, y: Mapping[str, Any]) -> list[Any]:
    """Return what is known of temperatures that were not sampled, and crosses where nothing is."""
    import altair as alt  # noqa: PLC0415

    told = [{"x": row["temperature"], **{key: row[key] for key in ("mean", "low", "high")}} for row in rows]
    base = alt.Chart(alt.InlineData(values=told)).encode(x=x)
    refused = alt.Chart(alt.InlineData(values=[row for row in told if row["mean"] is None])).encode(x=x)
    return [
        base.mark_area(color=SECOND, opacity=0.15).encode(y=alt.Y("low:Q", **y), y2="high:Q"),
        base.mark_line(color=SECOND, strokeWidth=1.5, strokeDash=[3, 2]).encode(y=alt.Y("mean:Q", **y)),
        refused.mark_text(text="\N{MULTIPLICATION SIGN}", color=INK, fontSize=9, baseline="bottom").encode(
            y=alt.value(HEIGHT)
        ),
    ]


def trade_off_chart(points: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> Any:
    """Return two measures against each other, with T along the curve and both 95 % intervals as a cross.

    Args:
        points: ``temperature``, ``x``, ``x_low``, ``x_high``, ``y``, ``y_low``, ``y_high`` of each T, ascending.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
    """
    import altair as alt  # noqa: PLC0415

    rows = [
        dict(point)
        | {
            "place": place,
            "label": temperature(point["temperature"]),
            "tip": f"{TIP}T = {temperature(point['temperature'])}: {x_title} {_with(point, 'x')}, "
            f"{y_title} {_with(point, 'y')}",
        }
        for place, point in enumerate(points)
    ]
    base = alt.Chart(alt.InlineData(values=rows))
    axis = alt.Axis(tickCount=5, format=",.4~f", grid=False)
    x = alt.X("x:Q", axis=alt.Axis(tickCount=5, format=",.4~f", grid=False, title=x_title), scale=_over(rows, "x"))
    y = alt.Y("y:Q", axis=alt.Axis(tickCount=5, format=",.4~f", grid=False, title=y_title), scale=_over(rows, "y"))
    across = base.mark_rule(color=LINE, opacity=0.45).encode(
        x=alt.X("x_low:Q", axis=axis, scale=_over(rows, "x")), x2="x_high:Q", y=y
    )
    up = base.mark_rule(color=LINE, opacity=0.45).encode(
        x=x, y=alt.Y("y_low:Q", axis=axis, scale=_over(rows, "y")), y2="y_high:Q"
    )
    line = base.mark_line(color=LINE, strokeWidth=2).encode(x=x, y=y, order="place:Q")
    dots = base.mark_point(color=LINE, fill=LINE, opacity=1, size=34).encode(x=x, y=y, description="tip:N")
    labels = base.mark_text(align="left", dx=7, dy=-7, color=INK, fontSize=11).encode(x=x, y=y, text="label:N")
    return _dressed((across + up + line + dots + labels).properties(width=560, height=320))


def curve_chart(curves: Sequence[Mapping[str, Any]], *, marks: Sequence[float] = ()) -> Any:
    """Return smooth curves over T, with an optional band each, and upright lines at some temperatures.

    Args:
        curves: ``x`` (temperatures), ``y``, optionally ``low`` and ``high``, and ``second`` for the other colour.
        marks: temperatures to mark.
    """
    import altair as alt  # noqa: PLC0415

    axis = alt.Axis(title="temperature T", grid=False, tickCount=6)
    known = [v for c in curves for key in ("y", "low", "high") for v in c.get(key, ()) if v is not None]
    scale = _linear(min(known, default=0.0), max(known, default=1.0))
    left = alt.Axis(title=None, tickCount=4, format=",.4~f")
    layers: list[Any] = []
    for curve in curves:
        colour = SECOND if curve.get("second") else LINE
        low, high = curve.get("low", curve["y"]), curve.get("high", curve["y"])
        rows = [
            {"x": x, "y": y, "low": a, "high": b} for x, y, a, b in zip(curve["x"], curve["y"], low, high, strict=True)
        ]
        base = alt.Chart(alt.InlineData(values=rows)).encode(x=alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False)))
        layers.append(
            base.mark_area(color=colour, opacity=0.18).encode(y=alt.Y("low:Q", axis=left, scale=scale), y2="high:Q")
        )
        dash = [5, 3] if curve.get("second") else [1, 0]
        layers.append(
            base.mark_line(color=colour, strokeWidth=2, strokeDash=dash).encode(y=alt.Y("y:Q", axis=left, scale=scale))
        )
    if marks:
        found = alt.Chart(alt.InlineData(values=[{"x": mark} for mark in marks]))
        layers.append(found.mark_rule(color=INK, strokeDash=[2, 2]).encode(x="x:Q"))
    return _dressed(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def inlined(chart: Any, name: str) -> str:
    """Return a chart as SVG in a page: page colours and fonts, a size that follows the column.

    Args:
        chart: of Altair.
        name: makes the ids inside the SVG unique on the page.
    """
    svg = _coloured(_svg(chart), COLOURS)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('font-family="sans-serif"', 'font-family="inherit"')
    svg = re.sub(rf'<path aria-label="{TIP}([^"]*)"([^>]*?)/?>(?:</path>)?', r"<path\2><title>\1</title></path>", svg)
    # Its own title and roles would be read beside the caption, once a point; the figure carries one label instead.
    svg = re.sub(r'\s(?:role|aria-[a-z]+)="[^"]*"', "", svg)
    svg = re.sub(r'<svg([^>]*?) width="[\d.]+" height="[\d.]+"', r"<svg\1", svg, count=1)
    return re.sub(r"<svg", '<svg aria-hidden="true" focusable="false"', svg, count=1)


def exported(chart: Any, *, scale: float = 2.0) -> tuple[str, bytes]:
    """Return a chart as SVG and as PNG on white, for a paper or a slide.

    Args:
        chart: of Altair.
        scale: pixels of the PNG a unit of the SVG, > 0.
    """
    import vl_convert  # noqa: PLC0415

    svg = _coloured(_svg(chart), ON_WHITE)
    svg = re.sub(rf' aria-label="{TIP}', ' aria-label="', svg)
    on_white = re.sub(r"(<svg[^>]*>)", r'\1<rect width="100%" height="100%" fill="white"/>', svg, count=1)
    return svg, vl_convert.svg_to_png(on_white, scale=scale)


def _svg(chart: Any) -> str:
    import vl_convert  # noqa: PLC0415

    return str(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))


def _coloured(svg: str, colours: Mapping[str, str]) -> str:
    for stand_in, colour in colours.items():
        svg = svg.replace(stand_in, colour)
    return svg


def _dressed(chart: Any) -> Any:
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


def _temperature_axis(rows: Sequence[Mapping[str, Any]]) -> Any:
    import altair as alt  # noqa: PLC0415

    labels = {row["x"]: temperature(row["temperature"]) for row in rows}
    names = json.dumps({f"{x:.6g}": label for x, label in labels.items()})
    axis = alt.Axis(
        values=_spread(sorted(labels)),
        labelExpr=f"{names}[format(datum.value, '.6~g')]",
        title="temperature T",
        grid=False,
        labelOverlap=False,
        labelFlush=False,
    )
    return alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False, zero=False, padding=10))


def _linear(low: float, high: float) -> Any:
    """Return a scale that holds 0, as half a picture of a share misleads."""
    import altair as alt  # noqa: PLC0415

    floor = min(0.0, low)
    return alt.Scale(domain=[floor, high if high > floor else 1.0], nice=True)


def _over(rows: Sequence[Mapping[str, Any]], key: str) -> Any:
    """Return a scale over what is there, with some room; a trade-off is read by its shape, not from zero."""
    import altair as alt  # noqa: PLC0415

    known = [row[k] for row in rows for k in (key, f"{key}_low", f"{key}_high") if row[k] is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if low > 0 and high > LOG_FROM * low:
        return alt.Scale(type="log", nice=True)
    room = 0.04 * (high - low) or 0.5
    return alt.Scale(domain=[low - room, high + room], nice=False)


def _told(row: Mapping[str, Any]) -> str:
    n = f"; n = {row['n']}" if row.get("n") is not None else ""
    return f"T = {temperature(row['temperature'])}: {number(row['mean'])} {interval(row['low'], row['high'])}{n}"


def _with(point: Mapping[str, Any], key: str) -> str:
    return f"{number(point[key])} {interval(point[f'{key}_low'], point[f'{key}_high'])}"


def _placed(estimates: pl.DataFrame) -> list[dict[str, Any]]:
    """Return rows with a place on the axis; T = inf stands to the right of the others, under its own label."""
    rows = estimates.sort("temperature").to_dicts()
    finite = [row["temperature"] for row in rows if math.isfinite(row["temperature"])]
    last = max(finite, default=0.0)
    beyond = last + max(0.15 * (last - min(finite, default=0.0)), 0.25)
    placed = []
    for row in rows:
        x = row["temperature"] if math.isfinite(row["temperature"]) else beyond
        numbers = {key: row.get(key) for key in ("mean", "low", "high", "n", "temperature")}
        band = {"band_low": row.get("band_low", row["low"]), "band_high": row.get("band_high", row["high"])}
        placed.append({"x": x} | numbers | band)
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
