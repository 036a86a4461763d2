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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempering.report.numbers import interval, number, temperature
from tempering.study.records import plain

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
NUMBERS = ("mean", "low", "high")
CURVE = ("value", "low", "high")


@dataclass(frozen=True)
class Drawn:
    """One measure against T.

    Attributes:
        points: rows with ``temperature``, ``mean``, ``low``, ``high``, ``n``; null leaves a gap.
        curve: rows with ``temperature``, ``value``, ``low``, ``high``, the smooth curve and its band; where there is
            none, a line joins the points.
        change: where the slope changes, with the interval of that place: ``temperature``, ``low``, ``high``.
    """

    points: pl.DataFrame
    curve: pl.DataFrame | None = None
    change: Mapping[str, float] | None = None


def measure_chart(arms: Mapping[str, Drawn] | Drawn) -> Any:
    """Return one measure against T: means as points, their 95 % intervals as bars, the smooth curve in its band.

    A change of slope is an upright line in the stripe of its interval. Of several arms, at most two, by name, the
    second is dashed.
    """
    import altair as alt  # noqa: PLC0415 - plotting is loaded when used

    known = arms if isinstance(arms, Mapping) else {"": arms}
    placed = {name: _placed(drawn.points) for name, drawn in known.items()}
    curves = {
        name: drawn.curve.select("temperature", *CURVE).to_dicts() if drawn.curve is not None else []
        for name, drawn in known.items()
    }
    rows = [row for found in placed.values() for row in found]
    numbers = [row[key] for row in rows for key in NUMBERS if row[key] is not None]
    numbers += [row[key] for found in curves.values() for row in found for key in CURVE]
    low, high = min(numbers, default=0.0), max(numbers, default=1.0)
    wide = low >= 1 and high > LOG_FROM * low
    y: dict[str, Any] = {
        "axis": alt.Axis(title="log scale" if wide else None, tickCount=4, format=",.4~f"),
        "scale": alt.Scale(type="log", nice=True) if wide else _linear(low, high),
    }
    axis = _temperature_axis(rows)
    x, upright = alt.X("x:Q", **axis), alt.X("temperature:Q", **axis)
    layers: list[Any] = []
    for drawn in known.values():
        if drawn.change is not None:
            place = alt.Chart(_data([dict(drawn.change)]))
            layers.append(place.mark_rect(color=INK, opacity=0.1).encode(x=alt.X("low:Q", **axis), x2=alt.X2("high:Q")))
            layers.append(place.mark_rule(color=INK, strokeDash=[2, 2]).encode(x=upright))
    for (name, found), colour in zip(placed.items(), (LINE, SECOND), strict=False):
        second = colour == SECOND
        line: dict[str, Any] = {"color": colour, "strokeWidth": 2, "strokeDash": [5, 3] if second else [1, 0]}
        told = [row | {"tip": f"{TIP}{name + ', ' if name else ''}{_told(row)}"} for row in found]
        points, curve = alt.Chart(_data(told)), alt.Chart(_data(curves[name]))
        dot: dict[str, Any] = {"size": 30, "shape": "diamond" if second else "circle"}
        lowest, middle = alt.Y("low:Q", **y), alt.Y("mean:Q", **y)
        if curves[name]:
            layers.append(curve.mark_area(color=colour, opacity=0.18).encode(x=upright, y=lowest, y2=alt.Y2("high:Q")))
            layers.append(curve.mark_line(**line).encode(x=upright, y=alt.Y("value:Q", **y)))
        else:
            layers.append(points.mark_line(**line).encode(x=x, y=middle))
        layers.append(points.mark_rule(color=colour, strokeWidth=1.5).encode(x=x, y=lowest, y2=alt.Y2("high:Q")))
        layers.append(
            points.mark_point(color=colour, fill=colour, opacity=1, **dot).encode(
                x=x, y=middle, description=alt.Description("tip:N")
            )
        )
    return _dressed(layers, WIDTH, HEIGHT)


def trade_off_chart(points: Sequence[Mapping[str, Any]], x_title: str, y_title: str) -> Any:
    """Return two measures against each other, with T along the curve and both 95 % intervals as a cross.

    Args:
        points: ``temperature``, ``x``, ``x_low``, ``x_high``, ``y``, ``y_low``, ``y_high`` of each T, ascending.
        x_title: of the horizontal axis.
        y_title: of the vertical axis.
    """
    import altair as alt  # noqa: PLC0415

    labelled = _apart([(point["x"], point["y"]) for point in points])
    rows = [
        dict(point)
        | {
            "place": place,
            "label": temperature(point["temperature"]) if place in labelled else "",
            "tip": f"{TIP}T = {temperature(point['temperature'])}: {x_title} {_with(point, 'x')}, "
            f"{y_title} {_with(point, 'y')}",
        }
        for place, point in enumerate(points)
    ]
    base = alt.Chart(_data(rows))
    axis = alt.Axis(tickCount=5, format=",.4~f", grid=False)
    x = alt.X("x:Q", axis=alt.Axis(tickCount=5, format=",.4~f", grid=False, title=x_title), scale=_over(rows, "x"))
    y = alt.Y("y:Q", axis=alt.Axis(tickCount=5, format=",.4~f", grid=False, title=y_title), scale=_over(rows, "y"))
    across = base.mark_rule(color=LINE, opacity=0.45).encode(
        x=alt.X("x_low:Q", axis=axis, scale=_over(rows, "x")), x2=alt.X2("x_high:Q"), y=y
    )
    up = base.mark_rule(color=LINE, opacity=0.45).encode(
        x=x, y=alt.Y("y_low:Q", axis=axis, scale=_over(rows, "y")), y2=alt.Y2("y_high:Q")
    )
    line = base.mark_line(color=LINE, strokeWidth=2).encode(x=x, y=y, order=alt.Order("place:Q"))
    dots = base.mark_point(color=LINE, fill=LINE, opacity=1, size=34).encode(
        x=x, y=y, description=alt.Description("tip:N")
    )
    labels = base.mark_text(align="left", dx=7, dy=-7, color=INK, fontSize=11).encode(
        x=x, y=y, text=alt.Text("label:N")
    )
    return _dressed([across, up, line, dots, labels], 560, 320)


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
        base = alt.Chart(_data(rows)).encode(x=alt.X("x:Q", axis=axis, scale=alt.Scale(nice=False)))
        band = base.mark_area(color=colour, opacity=0.18)
        band = band.encode(y=alt.Y("low:Q", axis=left, scale=scale), y2=alt.Y2("high:Q"))
        dash = [5, 3] if curve.get("second") else [1, 0]
        line = base.mark_line(color=colour, strokeWidth=2, strokeDash=dash)
        line = line.encode(y=alt.Y("y:Q", axis=left, scale=scale))
        layers += [band, line]
    if marks:
        found = alt.Chart(_data([{"x": mark} for mark in marks]))
        layers.append(found.mark_rule(color=INK, strokeDash=[2, 2]).encode(x="x:Q"))
    return _dressed(layers, WIDTH, HEIGHT)


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


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows as one JSON string: Altair copies a chart at every step, and would copy every number of it."""
    import altair as alt  # noqa: PLC0415

    return alt.InlineData(values=json.dumps(plain(rows)), format={"type": "json"})


def _dressed(layers: Sequence[Any], width: int, height: int) -> Any:
    """Return layers as one chart, made in one go: Altair copies a chart with its data at every further step."""
    import altair as alt  # noqa: PLC0415

    axis = {"labelColor": INK, "titleColor": INK, "domainColor": RULE, "tickColor": RULE, "gridColor": RULE}
    fonts = {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"}
    config = {"background": "transparent", "view": {"stroke": None}, "axis": axis | fonts}
    return alt.LayerChart(layer=list(layers), width=width, height=height, config=config)


def _temperature_axis(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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
    return {"axis": axis, "scale": alt.Scale(nice=False, zero=False, padding=10)}


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
        placed.append({"x": x} | numbers)
    return placed


def _apart(places: Sequence[tuple[float, float]], least: float = 0.06) -> set[int]:
    """Return which points have room for a label: the last, and others far enough from those chosen, from the end on."""
    spans = [max(axis) - min(axis) or 1.0 for axis in zip(*places, strict=True)]
    near = [[value / span for value, span in zip(place, spans, strict=True)] for place in places]
    chosen: list[int] = []
    for index in reversed(range(len(near))):
        if all(max(abs(a - b) for a, b in zip(near[index], near[o], strict=True)) >= least for o in chosen):
            chosen.append(index)
    return set(chosen)


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
