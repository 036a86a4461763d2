"""``tempering study --preset``: list the built-in studies, or run one with all its arms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempering.cli.terminal import say

if TYPE_CHECKING:
    from tempering.study.plan import StudyPlan


@dataclass(frozen=True)
class How:
    """Options of the command that are not of the plan."""

    out: Path | None
    dry_run: bool
    quiet: bool
    as_json: bool
    against: float | None
    margins: Mapping[str, float]


def run(name: str, values: Mapping[str, Any], how: How, *, system: str | None) -> None:
    """Run a built-in study; ``list`` shows them."""
    if name == "list":
        _list(how.as_json)
        return
    from tempering.models.registry import load_model  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.study.presets.base import plans_of, preset  # noqa: PLC0415

    chosen = preset(name)
    model = load_model(str(values.get("model", "embedded")))
    plans = plans_of(chosen, model, values)
    if system is not None:
        plans = {arm: plan.as_chat(system) for arm, plan in plans.items()}
    folder = how.out or Path("runs") / next(iter(plans.values())).name
    if how.dry_run:
        _dry_run(plans, model, folder, how.as_json)
        return
    _run(plans, model, folder, how, chosen.against if how.against is None else how.against)


def _list(as_json: bool) -> None:
    from tempering.study.presets.base import preset, preset_names  # noqa: PLC0415

    known = [preset(name) for name in preset_names()]
    if as_json:
        print(json.dumps([item.model_dump(mode="json") for item in known], indent=1))
        return
    for item in known:
        print(f"{item.name}\n  {item.what}\n  after {item.source}")
        print(f"  -n {item.quick}: about a minute on the embedded model")


def _dry_run(plans: Mapping[str, StudyPlan], model: Any, folder: Path, as_json: bool) -> None:
    from tempering.cli.study import forecast_record, show_forecast  # noqa: PLC0415
    from tempering.study.arms import folder_of  # noqa: PLC0415

    records = {arm: forecast_record(plan, model, folder_of(folder, arm)) for arm, plan in plans.items()}
    if as_json:
        print(json.dumps(records if any(records) else records[""], indent=1))
        return
    for place, (arm, record) in enumerate(records.items()):
        if arm:
            print(f"{chr(10) if place else ''}arm           {arm}")
        show_forecast(record)


def _run(plans: Mapping[str, StudyPlan], model: Any, folder: Path, how: How, against: float | None) -> None:
    from tempering.cli.report import write_reports  # noqa: PLC0415
    from tempering.cli.study import run_plan, show_table  # noqa: PLC0415
    from tempering.report.builtin import findings_of  # noqa: PLC0415
    from tempering.study.arms import check_folder, folder_of  # noqa: PLC0415
    from tempering.study.records import plain  # noqa: PLC0415

    check_folder(folder, plans)
    arms = {}
    for arm, plan in plans.items():
        if arm:
            say(f"arm: {arm}")
        arms[arm] = run_plan(plan, model, folder_of(folder, arm), quiet=how.quiet, against=against, margins=how.margins)
    page = write_reports(arms, folder)
    found = findings_of(arms)
    if how.as_json:
        estimates = {
            arm: json.loads((folder_of(folder, arm) / "estimates.json").read_text(encoding="utf-8")) for arm in arms
        }
        print(json.dumps({"findings": plain(found.data), "arms": estimates}, indent=1, allow_nan=False))
    else:
        for results in arms.values():
            show_table(results)
        for sentence in found.sentences:
            print(f"- {sentence}")
    say(f"report: {page}")
