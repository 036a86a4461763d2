"""A recommendation on the terminal: each measure's believed curve as a picture of bars. Arranges, computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempering.report.numbers import number, temperature
from tempering.report.tuning import title_of
from tempering.tuning.answer import CurvePoint, Recommendation

if TYPE_CHECKING:
    from rich.table import Table

ROWS, WIDTH = 11, 24
BLOCKS = " ▏▎▍▌▋▊▉█"


def answer_table(answer: Recommendation) -> Table:
    """Return a row for each of some temperatures, with a bar a measure; rows that the answer speaks of are marked."""
    from rich import box  # noqa: PLC0415 - loaded when used, for a light start
    from rich.table import Table  # noqa: PLC0415

    names = list(dict.fromkeys(point.measure for point in answer.curves))
    curves = {name: {p.temperature: p for p in answer.curves if p.measure == name} for name in names}
    chosen = _rows(answer, sorted(curves[names[0]]))
    table = Table(box=box.SIMPLE_HEAD, padding=0, caption="● the T to set, ┃ what the answer speaks of; believed means")
    table.add_column("T", justify="right")
    table.add_column("")
    for name in names:
        table.add_column(title_of(name), justify="left")
    tops = {name: max((p.believed for p in curves[name].values()), default=1.0) for name in names}
    for t in chosen:
        cells = (_bar(curves[name].get(t), tops[name]) for name in names)
        table.add_row(temperature(t), _mark(answer, t), *cells)
    return table


def _rows(answer: Recommendation, temperatures: list[float]) -> list[float]:
    """Return a spread of temperatures, with the one to set and the ends of the answer among them."""
    count = min(ROWS, len(temperatures))
    spread = {temperatures[round(i * (len(temperatures) - 1) / max(count - 1, 1))] for i in range(count)}
    own = {answer.low, answer.high, answer.params["temperature"] if answer.params else None}
    return sorted(spread | {t for t in own if t in set(temperatures)})


def _mark(answer: Recommendation, t: float) -> str:
    if answer.params is not None and answer.params["temperature"] == t:
        return " ●"
    inside = answer.low is not None and answer.high is not None and answer.low <= t <= answer.high
    return " ┃" if inside else ""


def _bar(point: CurvePoint | None, top: float) -> str:
    if point is None:
        return ""
    eighths = round(8 * WIDTH * min(max(point.believed / top, 0.0), 1.0)) if top > 0 else 0
    whole, rest = divmod(eighths, 8)
    bar = "█" * whole + (BLOCKS[rest] if rest else "")
    return f"{bar:<{WIDTH}} {number(point.believed)} "
