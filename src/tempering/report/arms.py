"""The page of a study with several arms: what they say together. Each arm has a report of its own beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tempering.report.audits import audit_section
from tempering.report.builtin import findings_of
from tempering.report.data import data_of
from tempering.report.methods import methods
from tempering.report.numbers import temperature
from tempering.report.parts import document, section
from tempering.report.texts import texts
from tempering.report.untrusted import escaped
from tempering.study.presets.base import preset

if TYPE_CHECKING:
    from tempering.study.results import StudyResults


def build_arms_report(arms: Mapping[str, StudyResults]) -> str:
    """Return the page as one HTML document; the same results give the same bytes.

    Args:
        arms: the results of each arm, by its name, which is also the name of its folder.
    """
    first = next(iter(arms.values()))
    found = findings_of(arms)
    sections = [
        _head(arms),
        section(found.heading, found.section),
        *(section(f"Texts: {escaped(arm)}", texts(results, rows=3)) for arm, results in arms.items()),
        *(section(f"The audit: {escaped(arm)}", audit_section(results)) for arm, results in arms.items()),
        *(section(f"Methods: {escaped(arm)}", methods(results)) for arm, results in arms.items()),
    ]
    data = {
        "format": 1,
        "preset": first.plan.preset,
        "findings": found.data,
        "arms": {arm: data_of(results) for arm, results in arms.items()},
    }
    title = f"{first.plan.name}: {first.plan.preset}"
    return document(title, filter(None, sections), version=first.manifest.tempering, data=data)


def _head(arms: Mapping[str, StudyResults]) -> str:
    first = next(iter(arms.values()))
    work = preset(first.plan.preset)
    missing = [name for name in work.arms if name not in arms]
    short = [
        f"{arm} {len(r.completions)} of {r.plan.size}" for arm, r in arms.items() if len(r.completions) < r.plan.size
    ]
    gaps = [f"the arm {name} is missing" for name in missing] + short
    warning = (
        f'<p class="warning">Not complete: {escaped("; ".join(gaps))}. The same command goes on.</p>' if gaps else ""
    )
    links = ", ".join(f'<a href="{escaped(arm)}/report.html">{escaped(arm)}</a>' for arm in arms)
    held = sum(len(results.completions) for results in arms.values())
    return (
        f"<header><h1>{escaped(first.plan.name)}</h1>"
        f'<p class="lead">“{escaped(work.title)}” ({escaped(work.source)}) on {escaped(first.manifest.model)}: '
        f"{held:,} texts in {len(arms)} arms, {len(first.plan.temperatures)} temperatures from "
        f"{temperature(first.plan.temperatures[0])} to {temperature(first.plan.temperatures[-1])}.</p>{warning}"
        f"<p>Each arm has a report of its own: {links}. At the same prompt and sample index the arms share their "
        "noise.</p>"
        "</header>"
    )
