"""``tempering tune``: which temperature for a use case."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.cli.terminal import say, shown
from tempering.errors import UsageError

if TYPE_CHECKING:
    from tempering.tuning.answer import Recommendation
    from tempering.tuning.plan import Spending, TunePlan

INTERRUPTED = 130
DEFAULT_BUDGET = "480"
PAGE = "tuning.html"


@options.with_sampling
def tune(
    *,
    task_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TASK]",
            help="YAML with prompts, answers and a grader, or a file of prompts. Built-in stories if absent.",
            show_default=False,
        ),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option("--goal", "-g", help="A use case (--goals lists them) or a YAML file.", show_default=False),
    ] = None,
    model: options.Model = None,
    chat: options.Chat = False,
    system: options.System = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--for", help="Tune under the order of this engine, and export for it. (default: none)", show_default=False
        ),
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the settings for the engine here.", show_default=False)
    ] = None,
    budget: Annotated[
        str, typer.Option("--budget", help="Texts (500), tokens (100000 tokens) or money (2.50 money).")
    ] = DEFAULT_BUDGET,
    price_out: Annotated[
        float | None,
        typer.Option("--price-out", help="Of a million generated tokens, for a budget of money.", show_default=False),
    ] = None,
    price_in: Annotated[
        float, typer.Option("--price-in", help="Of a million prompt tokens, for a budget of money.")
    ] = 0.0,
    current: Annotated[
        float, typer.Option("--current", help="The T in use now: kept where nothing speaks against it.")
    ] = 1.0,
    temperatures: Annotated[
        str | None,
        typer.Option("--temperatures", "-T", help="Candidates. (default: 0:2:0.05)", show_default=False),
    ] = None,
    truncation: Annotated[
        bool, typer.Option("--truncation", help="Also search top-p and min-p, each with the same budget.")
    ] = False,
    k: Annotated[
        int | None, typer.Option("--k", help="How many texts of a prompt the application uses.", show_default=False)
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option("--margin", help="The smallest difference that matters to you.", show_default=False),
    ] = None,
    confidence: Annotated[float, typer.Option("--confidence", help="Of intervals, and to stop by.")] = 0.95,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="The longest a text may become.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The seed of all noise.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="The folder. (default: runs/tune-TASK)", show_default=False)
    ] = None,
    goals: Annotated[
        bool, typer.Option("--goals", help="List the use cases, or show that of --goal, and stop.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be spent.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the recommendation as JSON.")] = False,
    sampling: dict[str, Any],
) -> None:
    """Find the temperature for a use case, confirm it on fresh texts, and put it into your engine.

    Without a task it shows itself: stories of the embedded model, tuned for creative writing. The same command again
    goes on where it stopped.
    """
    if goals:
        _show_goals(goal, as_json)
        return

    from tempering.tuning.task import make_task, read_task  # noqa: PLC0415 - loaded when the command runs

    if export and not target:
        raise UsageError("--export needs --for, the engine to write for")
    values = read_task(task_file) if task_file else {}
    own_goal, own_model = values.pop("goal", None), values.pop("model", None)
    flags = {"temperatures": temperatures, "max_tokens": max_tokens}
    values |= {key: value for key, value in flags.items() if value is not None}
    values["params"] = (values.get("params") or {}) | _order_of(target) | sampling
    task = make_task(values)
    if chat or system:
        task = task.as_chat(system or "")

    from tempering.models.base import shown_prompt  # noqa: PLC0415
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.tuning.budget import prompt_tokens, read_budget  # noqa: PLC0415
    from tempering.tuning.goals import load_goal, make_goal  # noqa: PLC0415
    from tempering.tuning.plan import TunePlan, label_free, prepare  # noqa: PLC0415

    wanted = (
        make_goal(own_goal)
        if isinstance(own_goal, dict) and not goal
        else load_goal(goal or own_goal or _usual(task_file))
    )
    changed = {key: value for key, value in (("k", k), ("margin", margin)) if value is not None}
    if changed:
        wanted = make_goal(wanted.model_dump() | changed)
    plan = TunePlan(
        task=task,
        goal=wanted,
        budget=read_budget(
            budget,
            worst=task.max_tokens,
            price_out=price_out,
            price_in=price_in,
            prompt=prompt_tokens([shown_prompt(prompt.content) for prompt in task.prompts]),
        ),
        samplers=("temperature", "top_p", "min_p") if truncation else ("temperature",),
        current=current,
        confidence=confidence,
        seed=seed,
    )
    loaded = load_model(model or own_model or "embedded")
    folder = out or Path("runs") / f"tune-{task.name}"
    if dry_run:
        plan = prepare(plan, loaded)
        _dry_run(plan, folder, as_json, label_free(plan, loaded))
        return
    answer = _run(plan, loaded, folder, quiet)
    page = _write_page(answer, folder, target)
    if as_json:
        print(answer.to_json(), end="")
    else:
        _show(answer)
    if export and target:
        _export(answer, target, export)
    say(f"report: {page}")


def _usual(task_file: Path | None) -> str:
    if task_file is None:
        return "creative-writing"
    raise UsageError("which goal? Give --goal, or 'goal:' in the task; tempering tune --goals lists the use cases")


def _order_of(target: str | None) -> dict[str, str]:
    """Return the order that texts must be drawn in so that the target does what was measured."""
    if target is None:
        return {}
    from tempering.tuning.export import exporter_of  # noqa: PLC0415

    order = exporter_of(target).order
    return {"order": order} if order else {}


def _show_goals(name: str | None, as_json: bool) -> None:
    from tempering.tuning.goals import load_goal, use_case_text, use_cases  # noqa: PLC0415

    if name:
        print(
            load_goal(name).model_dump_json(indent=1) if as_json else use_case_text(name), end="\n" if as_json else ""
        )
    elif as_json:
        print(json.dumps({case: load_goal(case).model_dump(mode="json") for case in use_cases()}, indent=1))
    else:
        for case in use_cases():
            found = load_goal(case)
            print(f"{case:<20}{found.about}\n{'':<20}{found.in_words()}")


def _dry_run(plan: TunePlan, folder: Path, as_json: bool, label_free: bool) -> None:
    from tempering.tuning.plan import plan_spending  # noqa: PLC0415

    seen = plan_spending(plan)
    if as_json:
        print(json.dumps(asdict(seen) | {"goal": plan.goal.model_dump(mode="json"), "folder": str(folder)}, indent=1))
        return
    print(f"goal          {plan.goal.in_words()}")
    if label_free:
        print(f"prompts       {seen.prompts + seen.held_out}")
        print(f"texts         at most {seen.samples}, all for a suggestion by entropies: nothing can be graded")
    else:
        print(f"prompts       {seen.prompts} to search with, {seen.held_out} held out")
        print(
            f"texts         at most {seen.samples}: {seen.search} for each search ({seen.grid} settings first), "
            f"{seen.fresh} fresh"
        )
        print(f"confirmation  {_power(plan, seen)}")
    print(f"tokens        at most {seen.tokens:,.0f}")
    print(f"folder        {folder}")


def _power(plan: TunePlan, seen: Spending) -> str:
    """Say what the confirmation could see: in spreads, and in accuracy too, whose spread by chance is known."""
    unit = "texts" if plan.goal.group == 1 else f"times {plan.goal.group} texts"
    on = "1 prompt" if seen.confirmed_on == 1 else f"{seen.confirmed_on} prompts"
    said = (
        f"{on}, {seen.each} {unit} a setting: the smallest difference that it sees (with a chance of 80 %) is "
        f"{seen.visible:.2f} of its standard deviation over prompts"
    )
    if plan.goal.maximise != "accuracy":
        return said
    by_chance = seen.visible * math.sqrt(0.5 * seen.confirmed_on / seen.each)
    if by_chance > 1:
        return f"{said}: too few prompts to see any"
    return f"{said}, {by_chance:.2f} if half of the answers are right by chance"


def _run(plan: TunePlan, model: Any, folder: Path, quiet: bool) -> Recommendation:
    from tempering.tuning.run import tune as run  # noqa: PLC0415
    from tempering.tuning.search import Step  # noqa: PLC0415

    def tell(step: Step) -> None:
        if not quiet:
            say(
                f"{step.samples} of {step.total} texts: best T {step.temperature:g} [{step.low:g}, {step.high:g}], "
                f"within {plan.goal.margin:g} of the best with probability {step.sure:.2f}"
            )

    try:
        return run(plan, model, folder, on_step=tell, on_audit=lambda capped: say(f"warning: {capped}"))
    except KeyboardInterrupt:
        say(f"stopped: what was written is kept in {folder}; the same command goes on")
        raise typer.Exit(INTERRUPTED) from None


def _show(answer: Recommendation) -> None:
    from rich.console import Console  # noqa: PLC0415

    from tempering.report.tuning_table import answer_table  # noqa: PLC0415

    print(answer.sentence)
    if answer.curves:
        Console().print(answer_table(answer))
    for note in answer.notes:
        print(shown(note))


def _write_page(answer: Recommendation, folder: Path, target: str | None) -> Path:
    from tempering.errors import ExportError  # noqa: PLC0415
    from tempering.report.tuning import build_tuning_page  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    try:
        page = build_tuning_page(answer, target=target)
    except ExportError as problem:
        say(f"note: {problem}")
        page = build_tuning_page(answer)
    write_atomically(folder / PAGE, page)
    return folder / PAGE


def _export(answer: Recommendation, target: str, path: Path) -> None:
    from tempering.study.store import write_atomically  # noqa: PLC0415
    from tempering.tuning.export import render_checked  # noqa: PLC0415

    if answer.settings is None or not answer.confirmed:
        say(f"note: nothing was confirmed, so {path} was not written; tempering apply --anyway writes it all the same")
        return
    rendered = render_checked(target, answer.settings)
    write_atomically(path, rendered.text)
    for warning in rendered.warnings:
        say(f"note: {warning}")
    say(f"written: {path}")
