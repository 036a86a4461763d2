"""Each temperature against a reference, text by text with the same noise. Knows values; knows nothing of texts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tempering.errors import ParameterError
from tempering.measures import measure_exists
from tempering.statistics import holm, paired_comparisons
from tempering.study.plan import StudyPlan
from tempering.study.relations import units

if TYPE_CHECKING:
    import polars as pl

COMPARED = frozenset({"accuracy", "novelty", "typicality", "cohesion", "coherence", "diversity"})
SIZES = ("d", "d_low", "d_high", "delta", "delta_low", "delta_high")
NUMBERS = ("difference", "low", "high", "p", *SIZES, "detectable", "margin", "p_equivalent")


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


def margins_of(texts: Iterable[str]) -> dict[str, float]:
    """Return margins by measure from ``MEASURE=VALUE``: up to where a difference is too small to matter.

    Raises:
        ParameterError: another form, no such measure, or a value that is not above 0.

    Example:
        >>> margins_of(["accuracy=0.05"])
        {'accuracy': 0.05}
    """
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            margin = float(value)
        except ValueError:
            margin = math.nan
        if not 0 < margin < math.inf:
            raise ParameterError(f"margin must be MEASURE=VALUE with a value above 0, got {text}", field="margin")
        if not measure_exists(name):
            raise ParameterError(
                f"margin: there is no measure {name}; estimates.json of a run folder names those there are",
                field="margin",
            )
        found[name] = margin
    return found


def comparisons_of(
    values: pl.DataFrame,
    plan: StudyPlan,
    names: Iterable[str],
    against: float,
    margins: Mapping[str, float] | None = None,
) -> pl.DataFrame:
    """Return each measure at each temperature against the reference, in the order of the names, then by T.

    A text is compared with the text of the same prompt and sample index at the reference, by a t test over units. p is
    corrected by Holm's method over all rows that have one, and so is that of the equivalence tests.

    Args:
        values: one row a text and measure.
        plan: whose prompts are the units.
        names: the measures to compare.
        against: the reference temperature.
        margins: up to where a difference is too small to matter, by measure; a measure that is not named is added.

    Returns:
        measure, temperature, difference, low, high (95 %, of this comparison alone), p (corrected), d and delta with
        d_low, ... (Cohen's d of pairs, Cliff's delta), detectable (the smallest true difference that a test at the
        corrected level finds with power .8, by the spread seen here), margin, p_equivalent (corrected), n (pairs),
        units. Null where there are fewer than three units, nothing varies, or no margin is given.

    Raises:
        ParameterError: a margin is given for a measure without values.
    """
    import polars as pl  # noqa: PLC0415 - loaded when used, for a light start

    margins, rows = margins or {}, list[dict[str, Any]]()
    chosen = list(dict.fromkeys([*names, *margins]))
    others = [t for t in plan.temperatures if t != against]
    for name in chosen:
        known = values.filter((pl.col("measure") == name) & pl.col("value").is_not_null())
        if name in margins and known.is_empty():
            raise ParameterError(f"margin: {name} was not measured in this study", field="margin")
        found = _against(known, plan, against, margins.get(name), tests=len(chosen) * len(others))
        empty = dict.fromkeys(NUMBERS) | {"margin": margins.get(name), "n": 0, "units": 0}
        rows += [{"measure": name, "temperature": t} | found.get(t, empty) for t in others]
    for key in ("p", "p_equivalent"):
        corrected = holm([math.nan if row[key] is None else row[key] for row in rows])
        for row, p in zip(rows, corrected, strict=True):
            row[key] = None if math.isnan(p) else p
    schema = {"measure": pl.String, "temperature": pl.Float64} | dict.fromkeys(NUMBERS, pl.Float64)
    return pl.DataFrame(rows, schema=schema | dict.fromkeys(("n", "units"), pl.Int64))


def _against(
    known: pl.DataFrame, plan: StudyPlan, against: float, margin: float | None, *, tests: int
) -> dict[float, dict[str, Any]]:
    """Return the columns of each temperature that shares texts with the reference, p not corrected yet."""
    setting = known["temperature"].to_numpy()
    if against not in setting:
        return {}
    unit, samples = units(known, plan), known["sample"].to_numpy()
    made = paired_comparisons(
        setting, known["value"].to_numpy(), unit, samples, reference=against, margin=margin, tests=tests
    )
    rows = {}
    for comparison in made:
        other = comparison.second
        change = comparison.difference
        numbers: dict[str, float] = {"difference": change.value} if change.n else {}
        row: dict[str, Any] = {"margin": margin, "n": change.n, "units": change.clusters}
        if len(plan.prompts) == 1:
            row["units"] = change.n
        if row["units"] > 2 and change.low < change.high:
            numbers |= {"low": change.low, "high": change.high, "p": comparison.p}
            numbers["detectable"] = comparison.detectable.value
            for size, estimate in (("d", comparison.d), ("delta", comparison.delta)):
                numbers |= {size: estimate.value, f"{size}_low": estimate.low, f"{size}_high": estimate.high}
            if comparison.equivalence is not None:
                numbers["p_equivalent"] = comparison.equivalence.p
        rows[other] = (
            dict.fromkeys(NUMBERS) | row | {key: None if math.isnan(value) else value for key, value in numbers.items()}
        )
    return rows
