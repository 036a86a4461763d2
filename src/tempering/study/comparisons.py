"""Each temperature against a reference, text by text with the same noise. Knows values; knows nothing of texts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.study.plan import StudyPlan
from tempering.study.relations import units

if TYPE_CHECKING:
    import polars as pl

Values = NDArray[np.float64]
POWER = 0.8
PAIR = ["prompt_id", "sample"]


def reference_of(plan: StudyPlan, against: float | None = None) -> float:
    """Return the temperature that the others are compared with: the one asked for, or the plan's nearest to 1.

    Raises:
        ParameterError: it is no temperature of the plan.

    Example:
        >>> reference_of(StudyPlan(temperatures=(0, 0.6, 0.9, 1.5)))
        0.9
    """
    if against is None:
        return min(plan.temperatures, key=lambda t: (abs(t - 1), t))
    near = [t for t in plan.temperatures if t == against or math.isclose(t, against, abs_tol=1e-9)]
    if not near:
        known = ", ".join(f"{t:g}" for t in plan.temperatures)
        raise ParameterError(f"against must be a temperature of the study ({known}), got {against:g}", field="against")
    return near[0]


def comparisons_of(values: pl.DataFrame, plan: StudyPlan, names: Iterable[str], against: float) -> pl.DataFrame:
    """Return each measure at each temperature against the reference, in the order of the names, then by T.

    A text is compared with the text of the same prompt and sample index at the reference; the mean difference of each
    unit is one observation of a t test. p is corrected by Holm's method over all rows that have one.

    Args:
        values: one row a text and measure.
        plan: whose prompts are the units.
        names: the measures to compare.
        against: the reference temperature.

    Returns:
        measure, temperature, difference, low, high (95 %, of this comparison alone), p (corrected), detectable (the
        smallest true difference that a test at the corrected level finds with power .8, by the spread seen here), n
        (pairs), units. Null where there are fewer than two units, or nothing varies.
    """
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    rows: list[dict[str, Any]] = []
    for name in names:
        known = values.filter((pl.col("measure") == name) & pl.col("value").is_not_null())
        base = known.filter(pl.col("temperature") == against)
        for temperature in plan.temperatures:
            if temperature != against:
                pairs = known.filter(pl.col("temperature") == temperature).join(base, on=PAIR, how="inner")
                change = (pairs["value"] - pairs["value_right"]).to_numpy()
                rows.append({"measure": name, "temperature": temperature} | _paired(change, units(pairs, plan)))
    _correct(rows)
    floats = dict.fromkeys(("temperature", "difference", "low", "high", "p", "detectable"), pl.Float64)
    schema = {"measure": pl.String} | floats | dict.fromkeys(("n", "units"), pl.Int64)
    return pl.DataFrame(rows, schema=schema)


def _paired(change: Values, unit: NDArray[np.int64]) -> dict[str, Any]:
    from scipy import stats  # noqa: PLC0415 - loaded when used

    found = np.array([change[unit == name].mean() for name in np.unique(unit)])
    count = len(found)
    row: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p", "error")) | {
        "n": len(change),
        "units": count,
    }
    if count:
        row["difference"] = float(found.mean())
    if count > 1 and (error := float(found.std(ddof=1)) / math.sqrt(count)) > 0:
        half = float(stats.t.ppf(0.975, count - 1)) * error
        row |= {"low": row["difference"] - half, "high": row["difference"] + half, "error": error}
        row["p"] = float(2 * stats.t.sf(abs(row["difference"]) / error, count - 1))
    return row


def _correct(rows: list[dict[str, Any]]) -> None:
    """Replace p by Holm's, and the standard error by the difference that the corrected test would find."""
    from scipy import stats  # noqa: PLC0415

    tested = sorted((row for row in rows if row["p"] is not None), key=lambda row: row["p"])
    highest = 0.0
    for place, row in enumerate(tested):
        highest = max(highest, min(1.0, row["p"] * (len(tested) - place)))
        row["p"] = highest
    for row in rows:
        error = row.pop("error")
        row["detectable"] = None
        if error is not None:
            level = 1 - 0.05 / (2 * len(tested))
            row["detectable"] = error * float(stats.t.ppf([level, POWER], row["units"] - 1).sum())
