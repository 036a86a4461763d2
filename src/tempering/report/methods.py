"""The methods paragraph: everything that another person needs to repeat the study. Arranges words; computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tempering.models.base import shown_prompt
from tempering.report.numbers import counted, temperature
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
        f"{_noise(results)} Means and trends have 95 % intervals over {unit}; slopes are the mean of "
        "the least-squares slopes of each unit with a t interval; comparisons against "
        f"T = {temperature(results.against)} are paired and corrected by Holm's method over all comparisons "
        "shown. All measures of text are proxies, "
        "computed by program. "
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
        ("Temperatures", ", ".join(temperature(t) for t in plan.temperatures)),
        ("Every other setting", escaped(settings)),
        (
            "Samples",
            f"{plan.samples} of each of {counted(len(plan.prompts), 'prompt')} at each T, up to {plan.max_tokens} "
            f"tokens",
        ),
        ("Pairing", escaped(_noise(results))),
        (
            "Versions",
            escaped(
                f"tempering {manifest.tempering}, Python {manifest.python}, {manifest.platform}, {manifest.created}"
            ),
        ),
    ]
    if results.notes:
        pairs.append(("Measured with", "<br>".join(escaped(note) for note in results.notes)))
    prompts = "".join(f"<li>{escaped(shown_prompt(prompt.content))}</li>" for prompt in plan.prompts)
    return (
        f"<p>{escaped(methods_text(results))}</p>{facts(pairs)}"
        f"<details><summary>The prompts</summary><ol>{prompts}</ol></details>"
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
