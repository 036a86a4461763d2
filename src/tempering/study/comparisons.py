"""Each temperature against a reference, text by text with the same noise. Knows values; knows nothing of texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.statistics import holm, paired_comparisons, smallest_detectable_effect
from tempering.study.plan import StudyPlan
from tempering.study.relations import units

if TYPE_CHECKING:
    import polars as pl

Values = NDArray[np.float64]
POWER, ALPHA = 0.8, 0.05
COMPARED = frozenset({"accuracy", "novelty", "typicality", "cohesion", "coherence", "diversity"})
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


def compared(headlines: Mapping[str, str]) -> list[str]:
    """Return the measures to compare: those that stand for a criterion of quality, as every further test costs power.

    Example:
        >>> compared({"novelty": "unique_word_share", "length": "tokens"})
        ['unique_word_share']
    """
    return [name for criterion, name in headlines.items() if criterion in COMPARED]


def comparisons_of(values: pl.DataFrame, plan: StudyPlan, names: Iterable[str], against: float) -> pl.DataFrame:
    """Return each measure at each temperature against the reference, in the order of the names, then by T.

    A text is compared with the text of the same prompt and sample index at the reference, by a t test over units. p is
    corrected by Holm's method over all rows that have one.

    Args:
        values: one row a text and measure.
        plan: whose prompts are the units.
        names: the measures to compare.
        against: the reference temperature.

    Returns:
        measure, temperature, difference, low, high (95 %, of this comparison alone), p (corrected), detectable (the
        smallest true difference that a test at the corrected level finds with power .8, by the spread seen here), n
        (pairs), units. Null where there are fewer than three units, or nothing varies.
    """
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    rows: list[dict[str, Any]] = []
    changes: list[tuple[Values, NDArray[np.int64]]] = []
    for name in names:
        known = values.filter((pl.col("measure") == name) & pl.col("value").is_not_null())
        base = known.filter(pl.col("temperature") == against)
        for temperature in plan.temperatures:
            if temperature != against:
                pairs = known.filter(pl.col("temperature") == temperature).join(base, on=PAIR, how="inner")
                unit, samples = units(pairs, plan), pairs["sample"].to_numpy()
                rows.append({"measure": name, "temperature": temperature} | _paired(pairs, unit, samples))
                changes.append(((pairs["value"] - pairs["value_right"]).to_numpy(), unit))
    tested = sum(row["p"] is not None for row in rows)
    corrected = holm([math.nan if row["p"] is None else row["p"] for row in rows])
    for row, p, (change, unit) in zip(rows, corrected, changes, strict=True):
        if row["p"] is not None:
            row["p"] = p
            row["detectable"] = smallest_detectable_effect(change, unit, power=POWER, alpha=ALPHA / tested).value
    floats = dict.fromkeys(("temperature", "difference", "low", "high", "p", "detectable"), pl.Float64)
    schema = {"measure": pl.String} | floats | dict.fromkeys(("n", "units"), pl.Int64)
    return pl.DataFrame(rows, schema=schema)


def _paired(pairs: pl.DataFrame, unit: NDArray[np.int64], samples: NDArray[np.int64]) -> dict[str, Any]:
    """Return the difference of one temperature from the reference, p not corrected yet."""
    row: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p", "detectable"))
    row |= {"n": pairs.height, "units": len(np.unique(unit))}
    if not pairs.height:
        return row
    after, before = pairs["value"].to_numpy(), pairs["value_right"].to_numpy()
    row["difference"] = float((after - before).mean())
    if row["units"] < 3 or np.ptp(after - before) == 0:
        return row
    setting = np.repeat([0.0, 1.0], pairs.height)
    [found] = paired_comparisons(
        setting, np.concatenate([before, after]), np.tile(unit, 2), np.tile(samples, 2), reference=0.0
    )
    if not math.isnan(found.p):
        row |= {"low": found.difference.low, "high": found.difference.high, "p": found.p}
    return row
