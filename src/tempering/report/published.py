"""The study of Peeperkorn and others (2024) beside what is found here: their form, their figures, two arms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tempering.measures import measure
from tempering.report.audits import cap_in_words
from tempering.report.criteria import drawn
from tempering.report.figures import inlined, measure_chart
from tempering.report.numbers import interval, number, temperature, within
from tempering.report.parts import table
from tempering.report.untrusted import escaped
from tempering.study.presets.base import preset
from tempering.study.relations import headlines

if TYPE_CHECKING:
    from tempering.study.results import StudyResults

CRITERIA = ("novelty", "typicality", "cohesion", "coherence")
NEARNESS = ("embedding_similarity", "exemplar_similarity")
"""Their similarity to the exemplar: of embeddings where the study has them, of word counts elsewhere."""


def published(arms: Mapping[str, StudyResults]) -> tuple[tuple[str, ...], str, dict[str, Any]]:
    """Return what is found beside the published figures: sentences, HTML, numbers."""
    work = preset("peeperkorn-2024").published
    criteria = _criteria(arms)
    sentences = [*_caps(arms), *_contrast(arms)]
    for criterion, name in criteria.items():
        said = "; ".join(f"{arm} {_rho(results, name)}" for arm, results in arms.items())
        known = work["slopes"][criterion]
        turned = " (of incoherence)" if known.get("reversed") else ""
        sentences.append(
            f"{criterion.capitalize()} (proxy: {within(measure(name).title)}), rank correlation with T: {said}. "
            f"Published slope of the ratings{turned}: {number(known['slope'])} (SE {number(known['error'])}, "
            f"p {known['p']:g})."
        )
    html = _slopes_table(arms, criteria, work) + _computed_table(arms) + _figures(arms, criteria)
    return tuple(sentences), html, _data(arms, criteria, work)


def _criteria(arms: Mapping[str, StudyResults]) -> dict[str, str]:
    results = next(iter(arms.values()))
    chosen = headlines(results.estimates["measure"].unique(maintain_order=True))
    return {criterion: chosen[criterion] for criterion in CRITERIA if criterion in chosen}


def _computed(arms: Mapping[str, StudyResults]) -> tuple[str, ...]:
    """Return the names of their three computational measures, as far as they could be measured in every arm."""
    there = [set(results.estimates.drop_nulls("mean")["measure"]) for results in arms.values()]
    nearness = NEARNESS[0] if all(NEARNESS[0] in names for names in there) else NEARNESS[1]
    return "self_perplexity", nearness, "edit_distance"


def _caps(arms: Mapping[str, StudyResults]) -> list[str]:
    found = []
    for arm, results in arms.items():
        if results.audit and (cap := cap_in_words(results.audit)):
            found.append(f"{arm}: {cap}")
    return found


def _contrast(arms: Mapping[str, StudyResults]) -> list[str]:
    """Return what the arms differ by at the highest T that all have."""
    if len(arms) < 2:
        return []
    highest = min(max(t for t in results.plan.temperatures if math.isfinite(t)) for results in arms.values())
    parts = []
    for name in _computed(arms):
        rows = {arm: _row(results, name, highest) for arm, results in arms.items()}
        if all(row is not None and row["mean"] is not None for row in rows.values()):
            said = ", ".join(f"{arm} {_mean(row)}" for arm, row in rows.items())
            parts.append(f"{within(measure(name).title)}: {said}")
    return [f"At T = {temperature(highest)}, {'; '.join(parts)}."] if parts else []


def _row(results: StudyResults, name: str, t: float) -> dict[str, Any] | None:
    frame = results.estimates
    rows = frame.filter((frame["measure"] == name) & (frame["temperature"] == t)).to_dicts()
    return rows[0] if rows else None


def _mean(row: dict[str, Any] | None) -> str:
    return "undefined" if row is None else f"{number(row['mean'])} {interval(row['low'], row['high'])}"


def _rho(results: StudyResults, name: str) -> str:
    row = results.trends.filter(results.trends["measure"] == name).to_dicts()[0]
    return f"{number(row['rho'])} {interval(row['low'], row['high'])}, n = {row['n']}"


def _slopes_table(arms: Mapping[str, StudyResults], criteria: Mapping[str, str], work: Mapping[str, Any]) -> str:
    head = ["criterion", "published: β (SE)", "p", "Spearman", *(f"{escaped(a)}: slope (SE), p" for a in arms)]
    head += [f"{escaped(a)}: Spearman with T" for a in arms]
    rows = []
    for criterion, name in criteria.items():
        known = work["slopes"][criterion]
        turned = ", reversed" if known.get("reversed") else ""
        mine = [_slope(results, name) for results in arms.values()]
        rhos = [escaped(_rho(results, name)).replace("n = ", "n&nbsp;=&nbsp;") for results in arms.values()]
        proxy = f"{escaped(measure(name).title)}: higher means {escaped(measure(name).more)}"
        rows.append(
            [
                f"{escaped(criterion)}{turned}<br><span class=note>proxy here: {proxy}</span>",
                f"{number(known['slope'])} ({number(known['error'])})",
                f"{known['p']:g}",
                number(known.get("spearman")) if "spearman" in known else "not given",
                *mine,
                *rhos,
            ]
        )
    return (
        f"<p>Published: ratings from 1 to 5 of {work['stories']} stories of {escaped(work['model'])} by "
        f"{work['raters']} people (n = {work['n']}), slope on T of a linear mixed model with a random intercept a "
        "rater; Spearman from the published ratings. Here: proxies computed by program, each in its own unit, slope "
        "and "
        "standard error over the independent units. Compare signs and rank correlations; the slopes have different "
        "units. The published p do not survive a correction for four criteria, and with the story as the unit "
        "coherence has p .086.</p>" + table("The four criteria beside the published study", head, rows)
    )


def _slope(results: StudyResults, name: str) -> str:
    row = results.slopes.filter(results.slopes["measure"] == name).to_dicts()[0]
    error = f" ({number(row['error'])})" if row["error"] is not None else ""
    p = "" if row["p"] is None else ", &lt;0.001" if row["p"] < 0.001 else f", {row['p']:.3f}"
    return f"{number(row['slope'])}{error}{p}"


def _computed_table(arms: Mapping[str, StudyResults]) -> str:
    temperatures, names = sorted({t for results in arms.values() for t in results.plan.temperatures}), _computed(arms)
    here = "the vector that the model of embeddings gives for the text"
    if NEARNESS[1] in names:
        here = "a proxy, the cosine of word counts; with --embeddings it is that of embeddings"
    head = ["T", *(f"{escaped(measure(name).title)}<br>{escaped(arm)}" for name in names for arm in arms)]
    rows = [
        [temperature(t), *(_mean(_row(results, name, t)) for name in names for results in arms.values())]
        for t in temperatures
    ]
    return (
        "<p>Their three computational measures, means with 95 % intervals. Their similarity compared embeddings (the "
        f"hidden state of the last token alone); here it is {here}. Their edit distance was over whole stories; here "
        "both measures compare beginnings of equal length.</p>" + table("Computational measures", head, rows)
    )


def _figures(arms: Mapping[str, StudyResults], criteria: Mapping[str, str]) -> str:
    parts = []
    for name in dict.fromkeys([*_computed(arms), *criteria.values()]):
        found = {arm: drawn(results, name) for arm, results in arms.items()}
        if any(one.points["mean"].is_not_null().any() for one in found.values()):
            svg = inlined(measure_chart(found), f"arms-{name}")
            known = measure(name)
            parts.append(
                f'<figure role="group" aria-label="{escaped(known.title)} in both arms"><figcaption>'
                f'<span class="tag">{escaped(known.criterion)}</span><h3>{escaped(known.title)}</h3>'
                f'<span class="note">{escaped(known.unit)}</span></figcaption>{svg}</figure>'
            )
    names = list(arms)
    legend = f'<p><span class="swatch"></span> {escaped(names[0])}'
    if len(names) > 1:
        legend += f' &nbsp; <span class="swatch second"></span> {escaped(names[1])} (dashed)'
    return f'{legend}</p><div class="figures">{"".join(parts)}</div>'


def _data(arms: Mapping[str, StudyResults], criteria: Mapping[str, str], work: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"published": dict(work), "criteria": dict(criteria), "arms": {}}
    for arm, results in arms.items():
        found["arms"][arm] = {
            kind: [row for row in getattr(results, kind).to_dicts() if row["measure"] in criteria.values()]
            for kind in ("slopes", "trends")
        }
    return found
