"""What a built-in study found: sentences, HTML and numbers. Knows each study by its name; generates nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tempering.report.figures import Drawn, curve_chart, inlined, measure_chart
from tempering.report.numbers import interval, number, temperature
from tempering.report.parts import table
from tempering.report.published import published
from tempering.report.untrusted import escaped
from tempering.report.words import difference_in_words
from tempering.statistics import change_point
from tempering.statistics.turning import LEAST, TurningPoint, turning_by_differences, turning_of_texts
from tempering.study.presets.base import preset
from tempering.study.relations import units

if TYPE_CHECKING:
    from tempering.study.results import StudyResults

Arms = Mapping[str, "StudyResults"]


@dataclass(frozen=True)
class Findings:
    """What a built-in study says.

    Attributes:
        heading: of its section.
        sentences: in words, with numbers.
        html: tables and figures.
        data: the numbers, for machines.
    """

    heading: str = ""
    sentences: tuple[str, ...] = ()
    html: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def section(self) -> str:
        """The sentences and the rest as HTML."""
        items = "".join(f"<li>{escaped(sentence)}</li>" for sentence in self.sentences)
        return f'<ul class="found">{items}</ul>{self.html}' if items or self.html else ""


def findings_of(arms: Arms) -> Findings:
    """Return what the built-in study of these arms found; nothing for a study that is none."""
    results = next(iter(arms.values()))
    name = results.plan.preset
    if name == "peeperkorn-2024":
        return Findings("Beside the published study", *published(arms))
    makers = {"renze-2024": _accuracy, "turn-2025": _turning, "phases": _phases}
    makers |= dict.fromkeys(("probes", "probes-pt"), _probes)
    return makers[name](results) if name in makers else Findings()


def _accuracy(results: StudyResults) -> Findings:
    work = preset("renze-2024").published
    rows = results.estimates.filter(results.estimates["measure"] == "accuracy").to_dicts()
    rows = [row for row in rows if row["mean"] is not None]
    if not rows:
        return Findings(
            "Accuracy over temperature", ("No answer could be graded: give prompts with expected answers.",)
        )
    best, worst = (pick(rows, key=lambda row: row["mean"]) for pick in (max, min))
    low, high = work["flat"]
    moved = [
        row
        for row in results.comparisons.filter(results.comparisons["measure"] == "accuracy").to_dicts()
        if low <= row["temperature"] <= high and row["p"] is not None and row["p"] < 0.05
    ]
    flat = (
        f"Between T = {low} and {high} accuracy differs from T = {temperature(results.against)} at "
        f"T = {', '.join(temperature(row['temperature']) for row in moved)}; the published study found no effect there."
        if moved
        else f"Between T = {low} and {high} no effect on accuracy is detected, as in the published study."
    )
    sentences = (
        f"Accuracy from {number(worst['mean'])} {interval(worst['low'], worst['high'])} at "
        f"T = {temperature(worst['temperature'])} to {number(best['mean'])} {interval(best['low'], best['high'])} at "
        f"T = {temperature(best['temperature'])}; n = {best['n']} answers to {best['prompts']} questions at each T.",
        flat,
        difference_in_words(results, "accuracy"),
        *_cliff(results),
    )
    theirs = {float(t): value for t, value in work["accuracy"]}
    body = [
        [
            temperature(row["temperature"]),
            f"{number(row['mean'])} {interval(row['low'], row['high'])}",
            number(theirs[row["temperature"]]) if row["temperature"] in theirs else "",
        ]
        for row in rows
    ]
    note = (
        f"<p class=note>Published: {escaped(work['model'])}, {work['questions']} questions a cell, read from the "
        "figure of the paper, without an interval. The interval here is over questions.</p>"
    )
    html = table("Accuracy by temperature", ["T", "accuracy here", "published"], body) + note
    return Findings("Accuracy over temperature", sentences, html, {"accuracy": rows, "flat_differences": moved})


def _probes(results: StudyResults) -> Findings:
    names, rows = ("accuracy", "valid_coverage", "valid_evenness"), results.estimates.to_dicts()
    known = {(row["measure"], row["temperature"]): row for row in rows if row["mean"] is not None}
    body = [[temperature(t), *(_mean_of(known.get((name, t))) for name in names)] for t in results.plan.temperatures]
    trends = {row["measure"]: row for row in results.trends.to_dicts() if row["measure"] in names}
    sentences = tuple(
        f"{title}: rank correlation with T {number(row['rho'])} {interval(row['low'], row['high'])}."
        for name, title in zip(names, ("Validity", "Coverage of the set", "Evenness"), strict=True)
        if (row := trends.get(name)) and row["rho"] is not None
    )
    note = (
        "<p class=note>Validity: the first word is of the set (n answers). Coverage: different valid answers over the "
        "most there could be; evenness: the chance that two valid answers differ (n questions). Intervals are over "
        "questions.</p>"
    )
    html = table("Valid answers by temperature", ["T", "validity", "coverage", "evenness"], body) + note
    return Findings("Answers of a known set", sentences, html, {"trends": list(trends.values())})


def _mean_of(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "undefined"
    return f"{number(row['mean'])} {interval(row['low'], row['high'])}, n = {row['n']}"


def _cliff(results: StudyResults) -> list[str]:
    """Return where accuracy changes its slope over T, or that no such place is detected."""
    frame = results.values.filter((results.values["measure"] == "accuracy") & results.values["temperature"].is_finite())
    frame = frame.filter(frame["value"].is_not_null())
    if frame["temperature"].n_unique() < 5 or frame["prompt_id"].n_unique() < 3:
        return ["A cliff cannot be looked for: that needs 5 temperatures and 3 questions."]
    unit = units(frame, results.plan)
    found = change_point(frame["temperature"].to_numpy(), frame["value"].to_numpy(), unit)
    if not found.detected:
        return ["No cliff: no change of slope over T is detected."]
    return [
        f"The slope of accuracy changes at T = {number(found.at.value)} {interval(found.at.low, found.at.high)}: from "
        f"{number(found.before)} to {number(found.after)} a unit of T; n = {found.at.n} answers."
    ]


def _turning(results: StudyResults) -> Findings:
    x, entropy, n = _entropies(results)
    if len(x) < LEAST or not len(entropy):
        why = f"it needs the entropy of every step at {LEAST} temperatures above 0, and a server gives none"
        return Findings("The entropy turning point", (f"A turning point cannot be looked for: {why}.",))
    found = turning_of_texts(x, entropy, n=n)
    theirs = turning_by_differences(x, entropy.mean(axis=0)) if _even(x) else math.nan
    fixed = results.turning
    said = [
        f"Of the texts themselves (measured and smoothed): {_turn_in_words(found, x)}"
        + (f" Best-of-N would take 0.1 more: T = {number(found.temperature.value + 0.1)}." if found.found else ""),
        "By the published rule, unsmoothed differences on the grid: "
        + (f"T = {number(theirs)}, without an interval." if not math.isnan(theirs) else "none in range."),
    ]
    if fixed is not None:
        said.append(f"Of fixed texts (closed form, earlier tokens held): {_turn_in_words(fixed, fixed.x)}")
    frame = results.estimates.filter(results.estimates["measure"] == "mean_entropy")
    marks = [found.temperature.value] if found.found else []
    figures = _figure(
        "Entropy of a step", "nats; points measured", inlined(measure_chart(Drawn(frame)), "turn-entropy")
    )
    bend = {"x": found.x.tolist(), "y": found.bend.tolist()}
    figures += _figure(
        "How log H bends",
        "second derivative by T, smoothed; the turning point is where it rises above 0",
        inlined(curve_chart([bend], marks=marks), "turn-bend"),
    )
    note = (
        "<p class=note>At fixed earlier tokens the derivatives of the entropy by T are exact: Var(z)/T³ and "
        "\N{MINUS SIGN}(3 Var(z) + k₃/T)/T⁴. That the texts change with T has no closed form that can be used; it "
        "is measured. Intervals are over prompts; where resampled studies have no turning point in range, the "
        "interval is open.</p>"
    )
    data = {"of_texts": _turn_data(found), "published_rule": theirs}
    data["of_fixed_texts"] = None if fixed is None else _turn_data(fixed)
    return Findings("The entropy turning point", tuple(said), f'<div class="figures">{figures}</div>{note}', data)


def _entropies(results: StudyResults) -> tuple[np.ndarray, np.ndarray, int]:
    """Return temperatures above 0, the mean entropy of each unit at each, and the number of texts."""
    values = results.values
    frame = values.filter((values["measure"] == "mean_entropy") & values["value"].is_not_null())
    frame = frame.filter((frame["temperature"] > 0) & frame["temperature"].is_finite() & (frame["value"] > 0))
    t, unit, value = frame["temperature"].to_numpy(), units(frame, results.plan), frame["value"].to_numpy()
    names, x = np.unique(unit), np.unique(t)
    cells = [[value[(unit == name) & (t == at)] for at in x] for name in names]
    whole = [[cell.mean() for cell in row] for row in cells if all(cell.size for cell in row)]
    return x, np.array(whole).reshape(len(whole), len(x)), frame.height


def _even(x: np.ndarray) -> bool:
    return len(x) > 2 and bool(np.allclose(np.diff(x), x[1] - x[0]))


def _turn_in_words(found: TurningPoint, x: np.ndarray) -> str:
    if not found.found:
        share = "" if math.isnan(found.share) else f"; {found.share:.0%} of resampled studies have one"
        return f"no turning point between T = {temperature(float(x[0]))} and {temperature(float(x[-1]))}{share}."
    known = found.temperature
    end = "open" if math.isinf(known.high) else number(known.high)
    bounds = "without an interval" if math.isnan(known.low) else f"[{number(known.low)}, {end}]"
    return f"T = {number(known.value)} {bounds}; {found.share:.0%} of resampled studies have one, n = {known.n}."


def _turn_data(found: TurningPoint) -> dict[str, Any]:
    return asdict(found.temperature) | {"found": found.found, "share_of_resamples": found.share}


PHASES = {
    "entropy": ("Entropy", "nats a step", "as random as a fair choice among exp of it"),
    "heat_capacity": ("Heat capacity", "Var(z)/T²", "how fast entropy grows as T does, in shares of T"),
    "fisher_information": ("Fisher information of T", "Var(z)/T⁴, a step", "how well a step tells its T"),
}


def thermodynamics(results: StudyResults) -> str:
    """Return the facts of the steps over T as HTML, for a study of any kind; empty without logits."""
    if results.thermodynamics is None or results.plan.preset == "phases":
        return ""
    return _phases(results).section


def _phases(results: StudyResults) -> Findings:
    curves = results.thermodynamics
    if curves is None:
        return Findings("Phases", ("A server gives no logits, and without logits there are no phases to see.",))
    figures, data = [], dict[str, Any]()
    for name, (title, unit, meaning) in PHASES.items():
        own = [r for r in curves.curves if r["quantity"] == name and r["sampled_at"] == r["temperature"]]
        own = [row for row in own if 0 < row["temperature"] < math.inf]
        curve = {key: [row[old] for row in own] for key, old in (("x", "temperature"), ("y", "mean"))}
        if all(row["low"] is not None for row in own):
            curve |= {key: [row[key] for row in own] for key in ("low", "high")}
        n = f"n = {own[0]['n']} steps a T" if own else ""
        drawn = curve_chart([curve]) if own else None
        figures.append(_figure(title, f"{unit}; {meaning}; {n}", inlined(drawn, f"phase-{name}") if drawn else ""))
        data[name] = own
    peaks = [peak for peak in curves.peaks if math.isfinite(peak["sampled_at"]) and peak["sampled_at"] > 0]
    said = [_peak_in_words(name, peaks) for name in ("heat_capacity", "entropy_slope")]
    note = (
        "<p class=note>Exact on these steps: raw logits along texts that were drawn at each T, whatever the study "
        "truncates; bands are 95 % intervals over prompts. A peak of the heat capacity is where a small change of T "
        "changes the choice most. It is a property of steps: the tempered model is not p(text)^(1/T).</p>"
    )
    html = f'<div class="figures">{"".join(figures)}</div>{note}'
    return Findings("Entropy, heat capacity, Fisher information", tuple(said), html, data | {"peaks": peaks})


def _peak_in_words(quantity: str, peaks: list[dict[str, Any]]) -> str:
    name = {"heat_capacity": "Heat capacity", "entropy_slope": "The entropy rises fastest"}[quantity]
    mine = [peak for peak in peaks if peak["quantity"] == quantity]
    if not mine:
        return f"{name}: nothing to estimate from."
    chosen = min(mine, key=lambda peak: abs(peak["sampled_at"] - 1))
    verb = "peaks at" if quantity == "heat_capacity" else "at"
    where = f"T = {number(chosen['temperature'])} {interval(chosen['low'], chosen['high'])}"
    edge = ", the end of the range: no peak inside" if chosen["edge"] else ""
    return f"{name} {verb} {where} along texts drawn at T = {temperature(chosen['sampled_at'])}{edge}."


def _figure(title: str, note: str, svg: str) -> str:
    return (
        f'<figure role="group" aria-label="{escaped(title)}"><figcaption><h3>{escaped(title)}</h3>'
        f'<span class="note">{escaped(note)}.</span></figcaption>{svg}</figure>'
    )
