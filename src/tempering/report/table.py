"""The table for the terminal: a row a temperature, the main measures with half the width of their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tempering.measures import measure
from tempering.params import SamplingParams
from tempering.report.numbers import counted, interval, number, temperature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from tempering.study.between import Between
    from tempering.study.results import StudyResults

COLUMNS = {
    "accuracy": "right",
    "unique_word_share": "new\nwords",
    "exemplar_similarity": "like\ngreedy",
    "adjacent_overlap": "cohesion",
    "self_perplexity": "perplexity",
    "mean_entropy": "entropy\n(nats)",
    "self_repetition": "repeats",
    "ended": "ended",
}
"""Measures in the table and their headings; the others are in the report and in estimates.json."""


def results_table(results: StudyResults) -> Table:
    """Return the terminal table of a study: mean and ± half the 95 % interval; a T that other settings cap has a "
    "star."""
    from rich import box  # noqa: PLC0415 - loaded when used, for a light start
    from rich.table import Table  # noqa: PLC0415

    cells = {(row["measure"], row["temperature"]): row for row in results.estimates.to_dicts()}
    n = max((row["n"] for row in cells.values()), default=0)
    texts = f"n = {counted(n, 'text')} of {counted(len(results.plan.prompts), 'prompt')} at each T"
    capped = {row.temperature: row for row in results.audit.capped} if results.audit else {}
    if capped:
        last = max(capped)
        known = capped[last].equivalent
        texts += f"\n* capped by other settings: T = {temperature(last)} is as random as "
        texts += f"T = {number(known.value)} {interval(known.low, known.high)}"
    table = Table(
        title=f"{results.plan.name}: {results.manifest.model}",
        caption=f"mean ± half the 95 % interval; {texts}",
        box=box.SIMPLE_HEAD,
        padding=0,
    )
    table.add_column("T", justify="right")
    defined = {name for (name, _), row in cells.items() if row["mean"] is not None}
    columns = {name: heading for name, heading in COLUMNS.items() if name in defined}
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for t in results.plan.temperatures:
        table.add_row(temperature(t) + "*" * (t in capped), *(_cell(cells.get((name, t))) for name in columns))
    return table


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return "-"
    if row["low"] is None:
        return _short(row["mean"])
    return f"{_short(row['mean'])} ±{_short((row['high'] - row['low']) / 2).removeprefix('0')}"


def _short(value: float) -> str:
    """Return a number in at most five characters, as a terminal is narrow."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def elsewhere_table(params: SamplingParams, rows: Sequence[Between]) -> Table:
    """Return the terminal table of measures at settings that were not sampled: the estimate, or why there is none."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    named = {name: value for name, value in params.as_dict().items() if value != getattr(SamplingParams(), name)}
    title = ", ".join(
        [f"T = {temperature(params.temperature)}", *(f"{k} = {v}" for k, v in named.items() if k != "temperature")]
    )
    table = Table(title=f"{title}, from texts drawn at other settings", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("measure")
    table.add_column("mean and 95 % interval, or why it is refused")
    for heading in ("effective texts", "Pareto k", "mean weight"):
        table.add_column(heading, justify="right")
    for row in rows:
        estimate = row.why or f"{number(row.mean)} {interval(row.low, row.high)}"
        told = [number(value) for value in (row.ess, row.pareto_k, row.mean_weight)]
        table.add_row(measure(row.measure).title, estimate, *told)
    return table
