"""``tempering fork``: one seed's text at every temperature, as a tree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tempering.cli import options
from tempering.cli.terminal import say
from tempering.models.base import shown_prompt
from tempering.params import SamplingParams
from tempering.report.untrusted import printable

if TYPE_CHECKING:
    from rich.tree import Tree

    from tempering.generation.forks import Branch, ForkTree


@options.with_sampling
def fork(
    *,
    prompt: Annotated[str | None, typer.Argument(help="The text to continue; - reads it from stdin.")] = None,
    prompt_file: Annotated[
        Path | None, typer.Option("--prompt-file", "-f", help="A file whose whole text is the prompt.")
    ] = None,
    model: options.Model = None,
    highest: Annotated[float, typer.Option("--highest", "-T", help="The highest temperature of the tree.")] = 1.5,
    branches: Annotated[
        int, typer.Option("--branches", min=1, help="How many may grow at once; the narrowest stop first.")
    ] = 12,
    grid: Annotated[
        str | None,
        typer.Option("--grid", help="Follow only these temperatures: 0:2:0.25 or 0,0.5,1.", show_default=False),
    ] = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="The longest a text may become.")] = 30,
    seed: Annotated[int, typer.Option("--seed", help="The seed of the noise.")] = 0,
    sample: Annotated[int, typer.Option("--sample", min=0, help="The sample index, as in generate.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the tree as JSON.")] = False,
    sampling: dict[str, Any],
) -> None:
    """Show one seed's text at every temperature: a tree that forks at exact temperatures.

    A branch marked … was not followed further: its interval was among the narrowest.
    """
    text = options.text_of(prompt, prompt_file, "prompt", "--prompt-file")
    params = SamplingParams(seed=seed, **sampling)

    from tempering.generation.forks import fork_tree  # noqa: PLC0415
    from tempering.generation.request import Request  # noqa: PLC0415 - engines are loaded when a command runs
    from tempering.models.registry import load_model  # noqa: PLC0415
    from tempering.study.plan import temperatures_of  # noqa: PLC0415

    wanted = temperatures_of(grid) if grid else None
    request = Request(text, params, sample, max_tokens=max_tokens)
    loaded = load_model(model or "embedded")
    tree = fork_tree(loaded, request, highest=highest, max_branches=branches, grid=wanted)
    if as_json:
        print(json.dumps(tree.as_dict(), ensure_ascii=False, indent=1, allow_nan=False))
        return
    from rich.console import Console  # noqa: PLC0415

    Console(highlight=False).print(_drawn(tree))
    ratio = tree.separate_steps / tree.steps if tree.steps else 1.0
    say(
        f"{len(tree.leaves())} texts in {tree.steps} model steps; "
        f"one by one they need {tree.separate_steps} ({ratio:.1f}x)"
    )


def _drawn(tree: ForkTree) -> Tree:
    from rich.text import Text  # noqa: PLC0415
    from rich.tree import Tree  # noqa: PLC0415

    root = Tree(Text(printable(shown_prompt(tree.prompt)), style="bold"))
    nodes = {-1: root}
    for index in _depth_first(tree):
        branch = tree.branches[index]
        above = nodes[-1 if branch.parent is None else branch.parent]
        nodes[index] = above.add(_label(branch))
    return root


def _depth_first(tree: ForkTree) -> list[int]:
    """Return branch indices, parents first, children by temperature."""
    return sorted(range(len(tree.branches)), key=lambda i: [(b.low, b.high) for b in tree.path(i)])


def _label(branch: Branch) -> Any:
    from rich.text import Text  # noqa: PLC0415

    label = Text(f"T {branch.low:.3f} to {branch.high:.3f}  ", style="dim")
    label.append(printable(branch.text).replace("\n", "⏎"), style="default")
    label.append({"budget": " …", "stop": " ■"}.get(branch.end, ""), style="dim")
    return label
