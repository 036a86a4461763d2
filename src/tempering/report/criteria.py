"""Criteria against temperature: a figure each, the trade-off, correlations, comparisons. Arranges results as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempering.measures import measure
from tempering.report.figures import Drawn, inlined, measure_chart, trade_off_chart
from tempering.report.numbers import interval, number, temperature, within
from tempering.report.parts import table
from tempering.report.untrusted import escaped
from tempering.report.words import change_in_words, difference_in_words, equivalence_in_words, figure_in_words
from tempering.study.relations import headlines

if TYPE_CHECKING:
    import polars as pl

    from tempering.study.results import StudyResults

TRADE_OFF = ("novelty", ("coherence", "predictability"))
"""The criterion across, and those that can stand upright, best first."""


def charts(results: StudyResults) -> dict[str, Any]:
    """Return every chart of a study by the name of its file: a measure each that is defined, and the trade-off."""
    found = {}
    for name in dict.fromkeys(results.estimates["measure"].to_list()):
        frame = results.estimates.filter(results.estimates["measure"] == name)
        if frame["mean"].is_not_null().any():
            found[name.replace("@", "-at-")] = measure_chart(drawn(results, name))
    if points := trade_off_points(results):
        across, upright, rows = points
        found["trade-off"] = trade_off_chart(rows, within(measure(across).title), within(measure(upright).title))
    return found


def drawn(results: StudyResults, name: str) -> Drawn:
    """Return what the figure of a measure shows: points, smooth curve, change of slope."""
    points, curve, changes = (
        frame.filter(frame["measure"] == name) for frame in (results.estimates, results.curves, results.changes)
    )
    change = next((row for row in changes.to_dicts() if row["temperature"] is not None), None)
    place = None if change is None else {key: change[key] for key in ("temperature", "low", "high")}
    return Drawn(points, None if curve.is_empty() else curve, place)


def figures(results: StudyResults) -> str:
    """Return a figure for each criterion, and the criterion's further measures folded away below it."""
    names = list(dict.fromkeys(results.estimates["measure"].to_list()))
    chosen = headlines(names)
    more: dict[str, list[str]] = {criterion: [] for criterion in chosen}
    for name in names:
        if name not in chosen.values():
            more[measure(name).criterion].append(name)
    first = "".join(_figure(results, name) for name in chosen.values())
    rest = "".join(
        f"<details><summary>{escaped(criterion.capitalize())}: {len(others)} more</summary>"
        f'<div class="figures">{"".join(_figure(results, name) for name in others)}</div></details>'
        for criterion, others in more.items()
        if others
    )
    return (
        "<p>Points are means with their 95 % intervals. The line is a smooth curve through them, and the shaded band "
        "holds the whole of the true curve with 95 % confidence. A grey stripe is where the slope changes, if it does, "
        f'with its 95 % interval.</p><div class="figures">{first}</div>{rest}'
    )


def _figure(results: StudyResults, name: str) -> str:
    known, frame = measure(name), results.estimates.filter(results.estimates["measure"] == name)
    defined = frame["mean"].is_not_null().any()
    svg = inlined(measure_chart(drawn(results, name)), f"figure-{name}") if defined else "<p>Undefined here.</p>"
    undefined = [temperature(row["temperature"]) for row in frame.to_dicts() if row["mean"] is None]
    gap = f" Undefined at T = {', '.join(undefined)}." if undefined else ""
    low, high = int(frame["n"].min() or 0), int(frame["n"].max() or 0)  # type: ignore[arg-type]
    n = f"n = {low} at each T" if low == high else f"n = {low} to {high} a T (where defined)"
    change = change_in_words(results, name)
    return (
        f'<figure role="group" aria-label="{escaped(figure_in_words(results, name) + change)}"><figcaption>'
        f'<span class="tag">{escaped(known.criterion)}</span><h3>{escaped(known.title)}</h3>'
        f'<span class="note">{escaped(known.unit)}; {n}.{gap}</span></figcaption>{svg}'
        f'<div class="more"><strong>Higher:</strong> {escaped(known.more)}.{escaped(change)}</div>'
        f'<div class="note">{escaped(known.validity)} Source: {escaped(known.source)}.</div></figure>'
    )


def trade_off_points(results: StudyResults) -> tuple[str, str, list[dict[str, Any]]] | None:
    """Return the measures across and upright and their means at each T, or None where one is missing."""
    chosen = headlines(dict.fromkeys(results.estimates["measure"].to_list()))
    across = chosen.get(TRADE_OFF[0])
    upright = next((chosen[criterion] for criterion in TRADE_OFF[1] if criterion in chosen), None)
    if across is None or upright is None:
        return None
    one, other = (_by_temperature(results.estimates, name) for name in (across, upright))
    points = [
        {"temperature": t}
        | {f"x{key}": one[t][name] for key, name in (("", "mean"), ("_low", "low"), ("_high", "high"))}
        | {f"y{key}": other[t][name] for key, name in (("", "mean"), ("_low", "low"), ("_high", "high"))}
        for t in sorted(one)
        if t in other and None not in (one[t]["mean"], other[t]["mean"])
    ]
    return (across, upright, points) if len(points) > 1 else None


def _by_temperature(estimates: pl.DataFrame, name: str) -> dict[float, dict[str, Any]]:
    return {row["temperature"]: row for row in estimates.filter(estimates["measure"] == name).to_dicts()}


def trade_off(results: StudyResults) -> str:
    """Return novelty against coherence with T along the curve; empty where either was not measured."""
    if (found := trade_off_points(results)) is None:
        return ""
    across, upright, points = found
    x, y = measure(across), measure(upright)
    svg = inlined(trade_off_chart(points, within(x.title), within(y.title)), "figure-trade-off")
    label = "; ".join(
        f"T = {temperature(p['temperature'])}: {within(x.title)} {number(p['x'])}, {within(y.title)} {number(p['y'])}"
        for p in points
    )
    turned = "" if y.criterion == "coherence" else f" No measure of coherence was taken; {within(y.title)} stands in."
    return (
        f'<p class="lead-in">{escaped(x.title)} ({escaped(x.criterion)}) across, '
        f"{escaped(within(y.title))} ({escaped(y.criterion)}: higher means {escaped(y.more)}) upright. Each point is a "
        f"temperature, named beside it where there is room; each cross is its two 95 % intervals (n as in the figures "
        f"above).{turned} Novelty without coherence is "
        "noise.</p>"
        f'<figure role="group" class="wide" aria-label="{escaped(label)}">{svg}</figure>'
    )


def correlations(results: StudyResults) -> str:
    """Return the table of the published study's form: slopes on T, then rank correlations of T and the criteria."""
    chosen = headlines(dict.fromkeys(results.estimates["measure"].to_list()))
    slopes = {row["measure"]: row for row in results.slopes.to_dicts()}
    trends = {row["measure"]: row for row in results.trends.to_dicts()}
    pairs = {(row["first"], row["second"]): row for row in results.correlations.to_dicts()}
    rows: list[list[str]] = []
    for criterion, name in chosen.items():
        slope, trend = slopes[name], trends[name]
        error = f" ({number(slope['error'])})" if slope["error"] is not None else ""
        rows.append(
            [
                f"{escaped(criterion)}<br><span class=note>{escaped(measure(name).title)}</span>",
                f"{number(slope['slope'])}{error}",
                _probability(slope["p"]),
                _correlation(trend),
                *(
                    _correlation(pairs.get((other, criterion))) if place < len(rows) else ""
                    for place, other in enumerate(list(chosen)[:-1])
                ),
                f"{slope['n']}",
            ]
        )
    head = ["criterion", "slope on T (SE)", "p", "with T", *(f"with {escaped(c)}" for c in list(chosen)[:-1]), "n"]
    unit = "prompts" if len(results.plan.prompts) > 1 else "sample indices"
    return (
        "<p>The form of the table in Peeperkorn and others (2024): what a unit of T changes, in the measure's own "
        f"unit, with its standard error over {unit}; then Spearman's rank correlations over all texts with their 95 % "
        "intervals. There the criteria were ratings by people, here they are proxies, so compare signs and "
        "correlations, not slopes. Criteria that both follow T are correlated by T alone.</p>"
        + table("Correlations", head, rows)
    )


def _correlation(row: dict[str, Any] | None) -> str:
    if row is None or row["rho"] is None:
        return "undefined"
    mark = " class=clear" if row["low"] is not None and (row["low"] > 0 or row["high"] < 0) else ""
    return f"<span{mark}>{number(row['rho'])}</span><br><span class=note>{interval(row['low'], row['high'])}</span>"


def _probability(p: float | None) -> str:
    return "undefined" if p is None else "&lt;0.001" if p < 0.001 else f"{p:.3f}"


def comparisons(results: StudyResults) -> str:
    """Return each temperature against the reference, paired: differences in words and as a table."""
    frame = results.comparisons
    if frame.is_empty():
        return ""
    names = list(dict.fromkeys(frame["measure"].to_list()))
    sentences = "".join(
        f"<li>{escaped(f'{difference_in_words(results, name)} {equivalence_in_words(results, name)}'.strip())}</li>"
        for name in names
    )
    margins = frame["margin"].is_not_null().any()
    rows = [
        [
            f"{escaped(measure(row['measure']).title)}",
            temperature(row["temperature"]),
            f"{number(row['difference'])} {interval(row['low'], row['high'])}",
            _probability(row["p"]),
            f"{number(row['d'])} {interval(row['d_low'], row['d_high'])}",
            f"{number(row['delta'])} {interval(row['delta_low'], row['delta_high'])}",
            number(row["detectable"]),
            *([_same(row)] if margins else []),
            f"{row['n']}",
            f"{row['units']}",
        ]
        for row in frame.to_dicts()
    ]
    unit = "prompts" if len(results.plan.prompts) > 1 else "samples"
    head = ["measure", "T", "difference", "p (Holm)", "Cohen's d", "Cliff's delta", "could be seen"]
    head += [*(["same within (p, Holm)"] if margins else []), "pairs", unit]
    pairing = "text by text with the same noise" if results.paired else "text by text, each with noise of its own"
    same = (
        " The same means that two one-sided tests put the difference inside the margin that was given, corrected in "
        "the same way over their own number."
        if margins
        else ""
    )
    return (
        f"<p>Every temperature against T = {temperature(results.against)}, {pairing}. p is corrected by Holm's method "
        f"over all {frame.height} comparisons.{same} Where nothing is detected stands how large an effect this study "
        "would have found four times out of five.</p>"
        f'<ul class="found">{sentences}</ul>'
        "<details class=printed><summary>Every comparison, with effect sizes</summary>"
        + table("Comparisons", head, rows)
        + "</details>"
    )


def _same(row: dict[str, Any]) -> str:
    return "" if row["margin"] is None else f"\u00b1{number(row['margin'])}: {_probability(row['p_equivalent'])}"
