"""Human ratings as shown: a table for the terminal, sentences, and a record for machines."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tempering.report.numbers import interval, number, temperature

if TYPE_CHECKING:
    from rich.table import Table

    from tempering.study.ratings import CriterionRatings, RatingsAnalysis


def ratings_table(analysis: RatingsAnalysis) -> Table:
    """Return a row a criterion: mean, slope over T, p, variance explained, rank correlation, agreement."""
    from rich import box  # noqa: PLC0415 - loaded when used, for a light start
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        title=f"{analysis.ratings} ratings, texts: {analysis.texts}, raters: {analysis.raters}",
        caption="slope: points a unit of T; p: corrected for four criteria (Holm); [95 % interval]",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    headings = ("criterion", "mean", "slope", "p", "R²\nT alone", "rank\ncorrelation", "raters\nagree")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=place == 0)
    for one in analysis.criteria:
        slope = one.model.effect("temperature") if one.model else None
        table.add_row(
            one.name + (" (reversed)" if one.name == "coherence" else ""),
            number(one.mean.value),
            f"{number(slope.value)}\n{interval(slope.low, slope.high)}" if slope else "-",
            _p(one.p_holm) if slope else "-",
            f"{one.model.marginal_r2:.3f}" if one.model else "-",
            f"{number(one.trend.value)}\n{interval(one.trend.low, one.trend.high)}",
            number(one.agreement.value),
        )
    return table


def ratings_in_words(analysis: RatingsAnalysis) -> list[str]:
    """Return a sentence a criterion that says what was found, or what could have been found."""
    return [f"{one.name}: {_finding(one)}" for one in analysis.criteria]


def _finding(one: CriterionRatings) -> str:
    if one.model is None:
        return "no slope can be estimated: nothing was rated twice, or ratings do not vary."
    slope = one.model.effect("temperature")
    size = f"{number(slope.value)} points a unit of T {interval(slope.low, slope.high)}, n = {one.model.n}"
    shared = f"T explains {100 * one.model.marginal_r2:.1f} % of the variance"
    if one.detected:
        how = "rises" if slope.value > 0 else "falls"
        harder = "; texts get harder to follow" if one.name == "coherence" and slope.value > 0 else ""
        return f"{how} with temperature: {size}; p {_p(one.p_holm)} for four criteria; {shared}{harder}."
    return (
        f"no detectable effect of temperature ({size}; p {_p(one.p_holm)} for four criteria; {shared}). A slope of {number(one.detectable_slope)} would have "
        "been found in four of five such studies."
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value)


def ratings_record(analysis: RatingsAnalysis) -> dict[str, Any]:
    """Return the analysis as JSON-ready values; what is undefined is null."""
    record = asdict(analysis)
    for entry, one in zip(record["criteria"], analysis.criteria, strict=True):
        entry["detected"] = one.detected
        entry["means"] = [{"temperature": temperature(t), **asdict(mean)} for t, mean in one.means]
        if one.model:
            entry["model"] |= {"marginal_r2": one.model.marginal_r2, "conditional_r2": one.model.conditional_r2}
    record["findings"] = ratings_in_words(analysis)
    return dict(_plain(record))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
