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
from tempering.statistics import change_point, curve_band, mean_p, rank_trend, t_mean
from tempering.statistics.clusters import standard_error
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

    Each unit has its own least-squares slope over the finite temperatures; the estimate is their mean, with the
    interval and p of any mean over units (summary measures, Matthews et al. 1990). Null where there is none.
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
    each = np.arange(len(found))
    mean = t_mean(found, each)
    error = standard_error(found) if len(found) > 1 else math.nan
    numbers = {"slope": mean.value, "error": error, "low": mean.low, "high": mean.high, "p": mean_p(found, each)}
    return {key: None if math.isnan(value) else value for key, value in numbers.items()}


def curves_of(values: pl.DataFrame, plan: StudyPlan) -> pl.DataFrame:
    """Return the smooth curve of each measure over the finite T, with a band for the whole curve at once.

    Returns:
        measure, temperature (61 of them), value, low, high; no row where there are fewer than three temperatures or
        two units. Values, too, end where the measure does.
    """
    import polars as pl  # noqa: PLC0415

    frames = []
    for (name,), frame in values.group_by("measure", maintain_order=True):
        known = frame.filter(pl.col("value").is_not_null() & pl.col("temperature").is_finite())
        unit = units(known, plan)
        if known["temperature"].n_unique() > 2 and len(np.unique(unit)) > 1:
            band = curve_band(known["temperature"].to_numpy(), known["value"].to_numpy(), unit, shape="smooth")
            limits = measure(str(name))
            columns = {"value": band.value, "low": band.low, "high": band.high}
            clipped = {key: np.clip(numbers, limits.low, limits.high) for key, numbers in columns.items()}
            frames.append(pl.DataFrame({"measure": [str(name)] * len(band.x), "temperature": band.x} | clipped))
    schema = {"measure": pl.String} | dict.fromkeys(("temperature", "value", "low", "high"), pl.Float64)
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def changes_of(values: pl.DataFrame, plan: StudyPlan, names: Iterable[str]) -> pl.DataFrame:
    """Return where the slope of each measure over the finite T changes, if it does.

    The tests share their level of 5 % (Bonferroni), so that the chance of any false alarm stays below it. Measures
    without an upper bound are left out: they grow by factors, and no two lines say that.

    Returns:
        measure, temperature, low, high (95 %; null where no change is detected), before, after (slopes), n, units; no
        row where there are fewer than five temperatures or two units.
    """
    import polars as pl  # noqa: PLC0415

    tested, rows = [], []
    for name in names:
        known = values.filter(
            (pl.col("measure") == name) & pl.col("value").is_not_null() & pl.col("temperature").is_finite()
        )
        if (
            measure(name).high < math.inf
            and known["temperature"].n_unique() > 4
            and len(np.unique(units(known, plan))) > 1
        ):
            tested.append((name, known))
    for name, known in tested:
        unit = units(known, plan)
        found = change_point(known["temperature"].to_numpy(), known["value"].to_numpy(), unit, alpha=0.05 / len(tested))
        place = {"temperature": found.at.value, "low": found.at.low, "high": found.at.high}
        row = {"measure": name} | {key: value if found.detected else None for key, value in place.items()}
        counts = {"n": found.at.n, "units": len(np.unique(unit))}
        rows.append(row | {"before": found.before, "after": found.after} | counts)
    floats = ("temperature", "low", "high", "before", "after")
    return pl.DataFrame(rows, schema=_schema("measure", floats, ("n", "units")))


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
