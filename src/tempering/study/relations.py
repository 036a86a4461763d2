"""How measures move with temperature and with each other, beyond their means. Knows values; knows nothing of texts.

The unit is the prompt. A study of a single prompt has the sample index as its unit: the texts of one index share their
noise over all temperatures, and different indices are independent. Then nothing is said of other prompts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tempering.measures import measure
from tempering.statistics import rank_trend
from tempering.study.plan import StudyPlan

if TYPE_CHECKING:
    import polars as pl

Values = NDArray[np.float64]
KEYS = ["prompt_id", "temperature", "sample"]


def units(frame: pl.DataFrame, plan: StudyPlan) -> NDArray[np.int64]:
    """Return the index of the independent unit that each row belongs to, shape [rows]."""
    if len(plan.prompts) == 1:
        return frame["sample"].to_numpy().astype(np.int64)
    place = {prompt.id: index for index, prompt in enumerate(plan.prompts)}
    return np.array([place[name] for name in frame["prompt_id"]], dtype=np.int64)


def headlines(names: Iterable[str]) -> dict[str, str]:
    """Return for each criterion the measure that stands for it: the first of those there are.

    Example:
        >>> headlines(["unique_word_share", "tokens", "ended"])
        {'novelty': 'unique_word_share', 'length': 'tokens'}
    """
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(measure(name).criterion, name)
    return found


def slopes_of(values: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    """Return the change of each measure a unit of T: measure, slope, error, low, high, p, n, units.

    Each unit has its own least-squares slope over the finite temperatures; the estimate is their mean, with the t
    interval and two-sided p of a mean over units (summary measures, Matthews et al. 1990). Null where there is none.
    """
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    rows = []
    for (name,), frame in values.group_by("measure", maintain_order=True):
        known = frame.filter(pl.col("value").is_not_null() & pl.col("temperature").is_finite())
        found = _unit_slopes(known["temperature"].to_numpy(), known["value"].to_numpy(), units(known, plan))
        rows.append({"measure": name} | _mean_of(found) | {"n": known.height, "units": len(found)})
    return pl.DataFrame(rows, schema=_schema("measure", ("slope", "error", "low", "high", "p"), ("n", "units")))


def _unit_slopes(t: Values, y: Values, unit: NDArray[np.int64]) -> Values:
    found = []
    for name in np.unique(unit):
        x, v = t[unit == name], y[unit == name]
        spread = x - x.mean()
        if (size := float(spread @ spread)) > 0:
            found.append(float(spread @ v) / size)
    return np.array(found, dtype=np.float64)


def _mean_of(found: Values) -> dict[str, float | None]:
    from scipy import stats  # noqa: PLC0415 - loaded when used

    none: dict[str, float | None] = dict.fromkeys(("slope", "error", "low", "high", "p"))
    if not len(found):
        return none
    mean = float(found.mean())
    if len(found) < 2:
        return none | {"slope": mean}
    error = float(found.std(ddof=1)) / math.sqrt(len(found))
    half = float(stats.t.ppf(0.975, len(found) - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, len(found) - 1)) if error > 0 else None
    return {"slope": mean, "error": error, "low": mean - half, "high": mean + half, "p": p}


def correlations_of(values: pl.DataFrame, plan: StudyPlan, names: Mapping[str, str]) -> pl.DataFrame:
    """Return rank correlations between criteria over all texts: first, second, rho, low, high, n.

    Args:
        values: one row a text and measure.
        plan: whose prompts are the units.
        names: the measure that stands for each criterion.
    """
    import polars as pl  # noqa: PLC0415

    rows = []
    for first, second in combinations(names, 2):
        pair = _side_by_side(values, names[first], names[second])
        found = rank_trend(pair["value"].to_numpy(), pair["value_right"].to_numpy(), units(pair, plan))
        numbers = {"rho": found.value, "low": found.low, "high": found.high}
        rows.append(
            {"first": first, "second": second}
            | {key: None if math.isnan(value) else value for key, value in numbers.items()}
            | {"n": found.n}
        )
    schema = {"first": pl.String} | _schema("second", ("rho", "low", "high"), ("n",))
    return pl.DataFrame(rows, schema=schema)


def _side_by_side(values: pl.DataFrame, first: str, second: str) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415

    known = values.filter(pl.col("value").is_not_null())
    left, right = (known.filter(pl.col("measure") == name) for name in (first, second))
    return left.join(right, on=KEYS, how="inner", maintain_order="left")


def _schema(text: str, floats: Iterable[str], counts: Iterable[str]) -> dict[str, pl.DataType | type[pl.DataType]]:
    import polars as pl  # noqa: PLC0415

    found: dict[str, pl.DataType | type[pl.DataType]] = {text: pl.String}
    found |= dict.fromkeys(floats, pl.Float64)
    return found | dict.fromkeys(counts, pl.Int64)
