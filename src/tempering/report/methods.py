"""The methods paragraph: everything that another person needs to repeat the study. Arranges words; computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempering.measures import measure
from tempering.models.base import shown_prompt
from tempering.report.numbers import counted, number, temperature, within
from tempering.report.parts import facts
from tempering.report.untrusted import escaped
from tempering.report.words import settings_in_words

if TYPE_CHECKING:
    from tempering.study.results import StudyResults


def methods_text(results: StudyResults) -> str:
    """Return one paragraph for a paper: model, prompts, settings, samples, seed, statistics, versions."""
    plan, manifest = results.plan, results.manifest
    prompts = len(plan.prompts)
    unit = "prompts" if prompts > 1 else "sample indices, each of which uses the same noise at every temperature"
    grid = ", ".join(temperature(t) for t in plan.temperatures)
    return (
        f"We generated {counted(plan.samples, 'text')} for each of {counted(prompts, 'prompt')} at each of "
        f"{len(plan.temperatures)} temperatures ({grid}) with the model "
        f"{manifest.model}, up to {plan.max_tokens} tokens each. Sampling: {settings_in_words(results)}; T = 0 is "
        "greedy. "
        f"{_noise(results)} {_statistics(results, unit)} All measures of text are proxies, computed by program. "
        f"Software: tempering {manifest.tempering}, Python {manifest.python}, {manifest.platform}; {manifest.created}."
    )


def methods(results: StudyResults) -> str:
    """Return the section: the paragraph, every setting, the command, the prompts."""
    plan, manifest = results.plan, results.manifest
    details = ", ".join(f"{name} {_detail(value)}" for name, value in manifest.model_details.items())
    settings = ", ".join(
        f"{name} {value}" for name, value in plan.params_at(1.0).as_dict().items() if name != "temperature"
    )
    command = manifest.command or "made by a program, with tempering as a library"
    pairs = [
        ("Command", f"<code>{escaped(command)}</code>"),
        ("Model", f"{escaped(manifest.model)} ({escaped(details)})" if details else escaped(manifest.model)),
        ("Every other setting", escaped(settings)),
    ]
    if results.notes:
        pairs.append(("Measured with", "<br>".join(escaped(note) for note in results.notes)))
    prompts = "".join(f"<li>{escaped(shown_prompt(prompt.content))}</li>" for prompt in plan.prompts)
    return (
        f"<p>{escaped(methods_text(results))}</p>{facts(pairs)}"
        f"<details class=printed><summary>The prompts</summary><ol>{prompts}</ol></details>"
    )


def _statistics(results: StudyResults, unit: str) -> str:
    """Return what was computed, how, and with which corrections."""
    margins = {row["measure"]: row["margin"] for row in results.comparisons.to_dicts() if row["margin"] is not None}
    told = ", ".join(f"\u00b1{number(margin)} for {within(measure(name).title)}" for name, margin in margins.items())
    same = f" and so are the two one-sided tests of equivalence (margins: {told})" if told else ""
    return (
        f"Intervals are 95 % over {unit}: of means, t with a correction for skewness (Hall 1992); of shares of answers "
        "that are 0 or 1, Wilson's with the effective number of answers; of Spearman's rank correlations, the "
        "jackknife on Fisher's scale. Curves are natural cubic smoothing splines, their roughness by generalised "
        "cross-validation, with a band that holds the whole curve at 95 %; a change of slope (two joined lines against "
        "one) is tested at 5 % over all criteria. Slopes are the mean of the least-squares slopes of each unit. "
        f"Comparisons against T = {temperature(results.against)} are paired t tests with the same correction, "
        f"corrected by Holm's method over all of them{same}. What would have been seen is at a power of .8."
    )


def _noise(results: StudyResults) -> str:
    if not results.paired:
        return "The server drew with noise of its own, so that texts at different temperatures are not paired."
    return (
        f"Noise is counter-based (Philox, seed {results.plan.seed}) and common to all temperatures, so that texts of "
        "the same prompt and sample index are paired."
    )


def _detail(value: str | int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
