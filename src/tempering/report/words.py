"""What a study found, in sentences. Says what an interval allows and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempering.measures import measure
from tempering.report.numbers import interval, number, temperature

if TYPE_CHECKING:
    from tempering.study.results import StudyResults


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
    """Return a sentence a measure, grouped: rises with T, falls with T, no detectable trend, undefined."""
    groups: dict[str, list[str]] = {"rises": [], "falls": [], "none": [], "undefined": []}
    for trend in results.trends.to_dicts():
        ends = [row for row in _rows(results, trend["measure"]) if row["mean"] is not None]
        title = measure(trend["measure"]).title
        if trend["rho"] is None or trend["low"] is None or not ends:
            groups["undefined"].append(f"{title}: no trend can be estimated (n = {trend['n']}).")
            continue
        kind = "none" if trend["low"] <= 0 <= trend["high"] else "rises" if trend["rho"] > 0 else "falls"
        first, last = ends[0], ends[-1]
        groups[kind].append(
            f"{title}: from {_at(first)} to {_at(last)}. Rank correlation with T {number(trend['rho'])} "
            f"{interval(trend['low'], trend['high'])}; n = {trend['n']} texts of {trend['prompts']} prompts."
        )
    return groups


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
