"""The numbers of a study for machines: the JSON inside a report. Knows results; the texts stay in the run folder."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tempering.study.results import StudyResults

FORMAT = 1


def data_of(results: StudyResults) -> dict[str, Any]:
    """Return plan, manifest and every table of a study; numbers that are undefined are None."""
    import polars.selectors as columns  # noqa: PLC0415 - loaded when used, for a light start

    rounded = results.curves.with_columns(columns.float().round_sig_figs(6))
    return {
        "format": FORMAT,
        "plan": results.plan.model_dump(mode="json"),
        "manifest": results.manifest.model_dump(mode="json"),
        "samples": len(results.completions),
        "against": results.against,
        "estimates": results.estimates.to_dicts(),
        "trends": results.trends.to_dicts(),
        "slopes": results.slopes.to_dicts(),
        "correlations": results.correlations.to_dicts(),
        "comparisons": results.comparisons.to_dicts(),
        "changes": results.changes.to_dicts(),
        "curves": {
            str(name): frame.select("temperature", "value", "low", "high").to_dict(as_series=False)
            for (name,), frame in rounded.group_by("measure", maintain_order=True)
        },
        "between": [asdict(row) for row in results.between],
        "thermodynamics": None if results.thermodynamics is None else results.thermodynamics.as_dict()["peaks"],
        "audit": None if results.audit is None else asdict(results.audit),
    }
