"""``tempering study``: what temperature does to a model's text."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.cli import ratings as people
from tempering.cli.progress import ProgressLine
from tempering.cli.report import REPORT, write_report
from tempering.cli.terminal import say
from tempering.errors import UsageError

if TYPE_CHECKING:
    from tempering.models.base import Model
    from tempering.study.plan import StudyPlan
    from tempering.study.results import StudyResults
    from tempering.study.server_audit import ServerAudit

INTERRUPTED = 130
MEASURING = "Measuring"
RATING = "People's ratings of a finished run"


@options.with_sampling
def study(
    *,
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="[PLAN.yaml]", help="A plan with the same keys; options win over it.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="A built-in study; list shows them. Options win over it.", show_default=False),
    ] = None,
    model: options.Model = None,
    chat: options.Chat = False,
    system: options.System = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", help="A prompt; can be repeated.", show_default=False)
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(
            "--prompts", help="A file of prompts: a line each, JSON Lines, CSV, or a YAML list.", show_default=False
        ),
    ] = None,
    temperatures: Annotated[
        str | None,
        typer.Option(
            "--temperatures",
            "-T",
            help="0:2:0.25, 0,0.5,1 or auto:9 (equally told apart) (default: ten from 0 to 2)",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", "-n", help="Texts of each prompt at each T. (default: 3)", show_default=False),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", help="The longest a text may become. (default: 160)", show_default=False),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="The seed of all noise. (default: 0)", show_default=False)
    ] = None,
    grader: Annotated[
        str | None,
        typer.Option(
            "--grader",
            help="How answers are graded: exact, contains, regex:PATTERN, number:TOLERANCE, choice:LETTERS, "
            "json_schema:FILE, FILE.py:FUNCTION. (default: exact where prompts have expected answers)",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus",
            help="The text that the model was trained on: text or JSON Lines, or a folder. Indexed once.",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    references: Annotated[
        str | None,
        typer.Option(
            "--references",
            help="Texts of the kind that is wanted, in the same forms.",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    reread: Annotated[
        bool | None,
        typer.Option(
            "--reread",
            help="Let the model read its texts again, for the measures that need it; as long as writing them.",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option(
            "--embeddings",
            help="A model of embeddings: http://host:port/v1#model or sentence-transformers:NAME.",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", help="A model that judges the texts.", show_default=False, rich_help_panel=MEASURING),
    ] = None,
    judge_temperature: Annotated[
        float | None,
        typer.Option(
            "--judge-temperature",
            help="What it answers at. (default: 0)",
            show_default=False,
            rich_help_panel=MEASURING,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The name of the run. (default: stories)", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run folder. (default: runs/NAME)", show_default=False)
    ] = None,
    against: options.Against = None,
    margin: options.Margins = None,
    rate: Annotated[
        Path | None,
        typer.Option(
            "--rate",
            help="Write a blind rating sheet of this run folder; --samples and --seed choose texts and order.",
            show_default=False,
            rich_help_panel=RATING,
        ),
    ] = None,
    ratings: Annotated[
        list[Path] | None,
        typer.Option(
            "--ratings",
            help="Analyse a filled sheet; can be repeated. The run folder is --out, or where the first sheet lies.",
            show_default=False,
            rich_help_panel=RATING,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and about how long it takes.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the estimates as JSON.")] = False,
    sampling: dict[str, Any],
) -> None:
    """Run a temperature study: texts at many temperatures, measured, with a report.

    The same command again goes on where it stopped, or says that the study is complete.
    """
    flags = {
        "model": model,
        "temperatures": temperatures,
        "samples": samples,
        "max_tokens": max_tokens,
        "seed": seed,
        "grader": grader,
        "corpus": corpus,
        "references": references,
        "reread": reread,
        "embeddings": embeddings,
        "judge": judge,
        "judge_temperature": judge_temperature,
        "name": name,
    }
    if rate or ratings:
        others: dict[str, object] = {
            f"--{key.replace('_', '-')}": value for key, value in flags.items() if key not in {"samples", "seed"}
        }
        others |= {"PLAN.yaml": plan_file, "--prompt": prompt, "--prompts": prompts, "--dry-run": dry_run}
        others |= {"--preset": preset, "--against": against, "--margin": margin}
        people.rate(rate, ratings, out, samples=samples, seed=seed, others=others | sampling, as_json=as_json)
        return
    from tempering.study.comparisons import margins_of  # noqa: PLC0415

    margins = margins_of(margin or [])
    values = _values(plan_file, flags, _prompts(prompt, prompts), sampling)
    if preset is not None:
        from tempering.cli import presets  # noqa: PLC0415

        how = presets.How(out, dry_run=dry_run, quiet=quiet, as_json=as_json, against=against, margins=margins)
        presets.run(preset, values, how, system=(system or "") if chat or system else None)
        return
    plan, automatic = _plan(values)
    if chat or system:
        plan = plan.as_chat(system or "")
    folder = out or Path("runs") / plan.name

    from tempering.models.registry import load_model  # noqa: PLC0415 - engines are loaded when a command runs

    loaded = load_model(plan.model)
    if automatic:
        from tempering.study.grid import with_automatic_temperatures  # noqa: PLC0415

        plan = with_automatic_temperatures(plan, *automatic, loaded)
    if dry_run:
        record = forecast_record(plan, loaded, folder)
        if as_json:
            print(json.dumps(record, indent=1))
        else:
            show_forecast(record)
        return
    results = run_plan(plan, loaded, folder, quiet=quiet, against=against, margins=margins)
    page = write_report(results, folder / REPORT)
    if as_json:
        print((folder / "estimates.json").read_text(encoding="utf-8"), end="")
    else:
        show_table(results)
    say(f"report: {page}")


def _prompts(texts: list[str] | None, file: Path | None) -> Any:
    from tempering.study.prompts import read_prompts  # noqa: PLC0415

    if texts and file:
        raise UsageError("give prompts with --prompt or with --prompts, not both")
    return read_prompts(file) if file else texts


def _values(file: Path | None, flags: dict[str, Any], prompts: Any, sampling: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of the plan: those of the file, and the options, which win."""
    from tempering.study.plan import read_plan_file  # noqa: PLC0415

    values = read_plan_file(file) if file else {}
    if file:
        values.setdefault("name", file.stem)
    values |= {key: value for key, value in flags.items() if value is not None}
    if prompts is not None:
        values["prompts"] = prompts
    if sampling:
        values["params"] = (values.get("params") or {}) | sampling
    return values


def _plan(values: dict[str, Any]) -> tuple[StudyPlan, tuple[int, float] | None]:
    """Return the plan, and what to put its temperatures at once the model is there, if they are automatic."""
    from tempering.study.grid import automatic  # noqa: PLC0415
    from tempering.study.plan import make_plan  # noqa: PLC0415

    if wanted := automatic(values.get("temperatures")):
        del values["temperatures"]
    return make_plan(values), wanted


def forecast_record(plan: StudyPlan, model: Model, folder: Path) -> dict[str, Any]:
    """Return what a run would do, and what its audit says, as JSON-ready values."""
    from dataclasses import asdict  # noqa: PLC0415

    from tempering.models.base import TextModel  # noqa: PLC0415
    from tempering.report.audits import audit_in_words, server_audit_in_words  # noqa: PLC0415
    from tempering.study.audit import audit  # noqa: PLC0415
    from tempering.study.run import forecast  # noqa: PLC0415
    from tempering.study.server_audit import server_audit  # noqa: PLC0415
    from tempering.study.steps import real_steps  # noqa: PLC0415

    seen = forecast(plan, model, folder)
    if isinstance(model, TextModel):
        audited = server_audit_in_words(server_audit(plan.params_at(1.0), model.info.details))
    else:
        audited = audit_in_words(audit(real_steps(model, plan), plan))
    return asdict(seen) | {
        "plan": plan.model_dump(mode="json"),
        "folder": str(folder),
        "model": model.info.identity,
        "audit": audited,
    }


def show_forecast(record: dict[str, Any]) -> None:
    """Print what a run would do."""
    plan = record["plan"]
    print(f"model         {record['model']}")
    print(
        f"cells         {record['cells']} ({len(plan['prompts'])} prompts x {len(plan['temperatures'])} temperatures)"
    )
    print(f"samples       {record['samples']}, of which {record['stored']} are stored")
    print(f"tokens left   at most {record['tokens']:,}")
    print(f"time left     about {_duration(record['seconds'])} at the speed measured now")
    print(f"run folder    {record['folder']}")
    for sentence in record["audit"]:
        print(f"audit         {sentence}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def run_plan(
    plan: StudyPlan,
    model: Model,
    folder: Path,
    *,
    quiet: bool = False,
    against: float | None = None,
    margins: Mapping[str, float] | None = None,
) -> StudyResults:
    """Run a plan with progress and the audit's warning; Ctrl-C ends with what is kept and how to go on."""
    from tempering.report.audits import cap_in_words, server_cap_in_words  # noqa: PLC0415
    from tempering.study.audit import Audit  # noqa: PLC0415
    from tempering.study.comparisons import reference_of  # noqa: PLC0415
    from tempering.study.run import run_study  # noqa: PLC0415

    def warn(audit: Audit | ServerAudit) -> None:
        if cap := cap_in_words(audit) if isinstance(audit, Audit) else server_cap_in_words(audit):
            say(f"warning: {cap}")

    reference_of(plan, against)

    line = ProgressLine(quiet)
    try:
        with line:
            results = run_study(
                plan,
                model,
                folder,
                on_progress=line.update,
                on_audit=warn,
                on_build=_say_indexing,
                command=shlex.join(["tempering", *sys.argv[1:]]),
                against=against,
                margins=margins,
            )
    except KeyboardInterrupt:
        say(f"stopped: {line.samples} of {line.total} samples are kept in {folder}; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None
    if not quiet and line.complete_before:
        say(f"{folder} is complete: nothing was left to generate")
    return results


def _say_indexing(size: int) -> None:
    say(f"indexing the corpus, {size / 1e6:.1f} MB, once")


def show_table(results: StudyResults) -> None:
    """Print the terminal table."""
    from rich.console import Console  # noqa: PLC0415

    from tempering.report.table import results_table  # noqa: PLC0415

    Console().print(results_table(results))
