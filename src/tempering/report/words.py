"""What a study found, in sentences. Says what an interval allows and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempering.measures import measure
from tempering.report.numbers import counted, interval, number, temperature, within
from tempering.study.relations import headlines

if TYPE_CHECKING:
    from tempering.study.results import StudyResults

ALPHA = 0.05
"""The family-wise rate of false alarms that a corrected p is held against."""


def settings_in_words(results: StudyResults) -> str:
    """Return the truncation and penalties in force, or that there are none, with the order."""
    params = results.plan.params_at(1.0)
    named = [step for step in params.active_steps() if step not in {"temperature", "penalties"}]
    parts = [f"{name} {getattr(params, name):g}" for name in named]
    for name in ("repetition_penalty", "frequency_penalty", "presence_penalty"):
        if name in results.plan.params:
            parts.append(f"{name} {getattr(params, name):g}")
    order = params.order if isinstance(params.order, str) else ", then ".join(params.order)
    return f"{', '.join(parts) or 'no truncation, no penalties'}; order of steps: {order}"


def trend_groups(results: StudyResults) -> dict[str, list[str]]:
    """Return a sentence or two a criterion, grouped: rises with T, falls with T, no detectable trend, undefined.

    A criterion speaks through the measure that stands for it; the others are in the figures and tables.
    """
    groups: dict[str, list[str]] = {"rises": [], "falls": [], "none": [], "undefined": []}
    chosen = set(headlines(results.trends["measure"].to_list()).values())
    for trend in results.trends.to_dicts():
        if trend["measure"] not in chosen:
            continue
        ends = [row for row in _rows(results, trend["measure"]) if row["mean"] is not None]
        title = measure(trend["measure"]).title
        if trend["rho"] is None or trend["low"] is None or not ends:
            groups["undefined"].append(f"{title}: no trend can be estimated (n = {trend['n']}).")
            continue
        kind = "none" if trend["low"] <= 0 <= trend["high"] else "rises" if trend["rho"] > 0 else "falls"
        size = ""
        if kind == "none" and trend["detectable"] is not None:
            size = f"; one of \u00b1{number(trend['detectable'])} would have been seen four times out of five"
        groups[kind].append(
            f"{title}: from {_at(ends[0])} to {_at(ends[-1])}. Rank correlation with T {number(trend['rho'])} "
            f"{interval(trend['low'], trend['high'])}{size}; n = {counted(trend['n'], 'text')} of "
            f"{counted(trend['prompts'], 'prompt')}.{change_in_words(results, trend['measure'])}"
        )
    return groups


def change_in_words(results: StudyResults, name: str) -> str:
    """Return where the slope of a measure changes, as a sentence with a space before it; empty where none is found.

    Two joined lines always have a place where they join: nothing is said of a curve that bends all along.
    """
    for row in results.changes.filter(results.changes["measure"] == name).to_dicts():
        if row["temperature"] is not None:
            return (
                f" The slope changes at T = {number(row['temperature'])} {interval(row['low'], row['high'])}, from "
                f"{number(row['before'])} to {number(row['after'])} a unit of T."
            )
    return ""


def summary(results: StudyResults) -> list[str]:
    """Return what the comparisons with the reference say, a sentence a criterion: what was found, what was not."""
    frame, at = results.comparisons, temperature(results.against)
    moved, still, same = list[str](), list[str](), list[str]()
    for name in dict.fromkeys(frame["measure"].to_list()):
        rows = frame.filter(frame["measure"] == name).to_dicts()
        found = [row for row in rows if row["p"] is not None and row["p"] < ALPHA]
        criterion = measure(name).criterion
        if found:
            where = ", ".join(temperature(row["temperature"]) for row in found)
            largest = max(found, key=lambda row: abs(row["difference"]))
            moved.append(
                f"{criterion.capitalize()} differs from T = {at} at T = {where}, most at "
                f"T = {temperature(largest['temperature'])}: {_difference(largest)} in {within(measure(name).title)}, "
                f"n = {largest['n']} pairs of {counted(largest['units'], _unit(results))}."
            )
        elif any(row["p"] is not None for row in rows):
            still.append(
                f"{criterion.capitalize()}: no detectable effect against T = {at} at any temperature"
                f"{_could_be_seen(rows, name)}."
            )
        if said := equivalence_in_words(results, name):
            same.append(f"{criterion.capitalize()}, {within(measure(name).title)}: {within(said)}")
    return moved + still + same


def equivalence_in_words(results: StudyResults, name: str) -> str:
    """Return where a measure is the same as at the reference, within the margin that the user gave; empty without one.

    Temperatures beside one another are told as a range.
    """
    rows = results.comparisons.filter(results.comparisons["measure"] == name).to_dicts()
    if not rows or rows[0]["margin"] is None:
        return ""
    at = temperature(results.against)
    same = {row["temperature"] for row in rows if row["p_equivalent"] is not None and row["p_equivalent"] < ALPHA}
    margin = f"\u00b1{number(rows[0]['margin'])}"
    pairs = counted(min(row["n"] for row in rows if not same or row["temperature"] in same), "pair")
    n = f"n = {pairs} of {counted(max(row['units'] for row in rows), _unit(results))} a T"
    if not same:
        return f"Not shown to be the same as at T = {at} within {margin} at any other temperature ({n})."
    runs: list[list[float]] = [[]]
    for t in results.plan.temperatures:
        if t in same or t == results.against:
            runs[-1].append(t)
        elif runs[-1]:
            runs.append([])
    told = [
        f"T = {temperature(run[0])}" + (f" to {temperature(run[-1])}" if len(run) > 1 else "")
        for run in runs
        if set(run) - {results.against}
    ]
    return f"The same as at T = {at} within {margin} at {' and '.join(told)} ({n})."


def difference_in_words(results: StudyResults, name: str) -> str:
    """Return how a measure differs from the reference temperature, or how large a difference would have been seen."""
    rows = results.comparisons.filter(results.comparisons["measure"] == name).to_dicts()
    known = measure(name)
    found = [row for row in rows if row["p"] is not None and row["p"] < ALPHA]
    said = "; ".join(f"{_difference(row)} at T = {temperature(row['temperature'])}" for row in found)
    rest = [row for row in rows if row["p"] is not None and row["p"] >= ALPHA]
    parts = [said] if said else []
    if rest:
        where = ", ".join(temperature(row["temperature"]) for row in rest)
        parts.append(f"no detectable effect at T = {where}{_could_be_seen(rest, name)}")
    undefined = [temperature(row["temperature"]) for row in rows if row["p"] is None]
    if undefined:
        parts.append(f"not to be compared at T = {', '.join(undefined)}: nothing varies, or too few pairs")
    pairs = sorted({row["n"] for row in rows})
    n = f"n = {pairs[0]} pairs" if len(pairs) == 1 else f"n = {pairs[0]} to {pairs[-1]} pairs"
    return f"{known.title}: {'. '.join(part[0].upper() + part[1:] for part in parts)} ({n} a T)."


def _could_be_seen(rows: list[dict[str, Any]], name: str) -> str:
    """Return how large a difference would have been seen, from the least to the most over the temperatures."""
    known = [row for row in rows if row["detectable"] is not None]
    if not known:
        return ""
    least, most = (pick(known, key=lambda row: row["detectable"]) for pick in (min, max))
    if least["detectable"] > measure(name).high - measure(name).low:
        return "; this study is too small to have seen any"
    sizes = number(least["detectable"])
    if number(most["detectable"]) != sizes:
        sizes += f" (T = {temperature(least['temperature'])}) to {number(most['detectable'])} "
        sizes += f"(T = {temperature(most['temperature'])})"
    return f"; a difference of {sizes} would have been seen four times out of five"


def _unit(results: StudyResults) -> str:
    return "prompt" if len(results.plan.prompts) > 1 else "sample"


def _difference(row: dict[str, Any]) -> str:
    sign = "+" if row["difference"] > 0 else ""
    return f"{sign}{number(row['difference'])} {interval(row['low'], row['high'])}"


def figure_in_words(results: StudyResults, name: str) -> str:
    """Return what a figure shows, for those who cannot see it."""
    parts = [
        _at(row) if row["mean"] is not None else f"undefined at T = {temperature(row['temperature'])}"
        for row in _rows(results, name)
    ]
    return f"{measure(name).title} against temperature: {'; '.join(parts)}."


def _rows(results: StudyResults, name: str) -> list[dict[str, Any]]:
    frame = results.estimates
    return frame.filter(frame["measure"] == name).sort("temperature").to_dicts()


def _at(row: dict[str, Any]) -> str:
    return f"{number(row['mean'])} {interval(row['low'], row['high'])} at T = {temperature(row['temperature'])}"
