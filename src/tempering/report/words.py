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
    """Return a sentence a criterion, grouped: rises with T, falls with T, no detectable trend, undefined.

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
        first, last = ends[0], ends[-1]
        groups[kind].append(
            f"{title}: from {_at(first)} to {_at(last)}. Rank correlation with T {number(trend['rho'])} "
            f"{interval(trend['low'], trend['high'])}; n = {counted(trend['n'], 'text')} of "
            f"{counted(trend['prompts'], 'prompt')}."
        )
    return groups


def summary(results: StudyResults) -> list[str]:
    """Return what the comparisons with the reference say of each criterion, in one sentence for what was found and one
    for what was not.
    """
    frame, at = results.comparisons, temperature(results.against)
    if frame.is_empty():
        return []
    moved, still = [], []
    for name in dict.fromkeys(frame["measure"].to_list()):
        rows = frame.filter(frame["measure"] == name).to_dicts()
        found = [row for row in rows if row["p"] is not None and row["p"] < ALPHA]
        criterion = measure(name).criterion
        if found:
            where = ", ".join(temperature(row["temperature"]) for row in found)
            largest = max(found, key=lambda row: abs(row["difference"]))
            moved.append(
                f"{criterion} at T = {where} (most at T = {temperature(largest['temperature'])}: "
                f"{_difference(largest)} in {within(measure(name).title)}, n = {largest['n']} pairs)"
            )
        elif any(row["p"] is not None for row in rows):
            still.append(criterion)
    sentences = []
    if moved:
        sentences.append(f"Different from T = {at}: {'; '.join(moved)}.")
    if still:
        sentences.append(
            f"No detectable effect against T = {at} at any temperature on {' or '.join(still)}; how small an effect "
            "could have been seen stands under “Compared with a reference”."
        )
    return sentences


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
        least = [row["detectable"] for row in rest if row["detectable"] is not None]
        size = ""
        if least and max(least) > known.high - known.low:
            size = "; this study is too small to have seen any"
        elif least:
            size = f"; a difference of {number(max(least))} or more would have been seen"
        parts.append(f"no detectable effect at T = {where}{size}")
    undefined = [temperature(row["temperature"]) for row in rows if row["p"] is None]
    if undefined:
        parts.append(f"not to be compared at T = {', '.join(undefined)}: nothing varies, or too few pairs")
    pairs = sorted({row["n"] for row in rows})
    n = f"n = {pairs[0]} pairs" if len(pairs) == 1 else f"n = {pairs[0]} to {pairs[-1]} pairs"
    return f"{known.title}: {'. '.join(part[0].upper() + part[1:] for part in parts)} ({n} a T)."


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
