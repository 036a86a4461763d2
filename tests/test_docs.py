"""The documents are true: links lead somewhere, commands and options exist, the tree is the tree, code runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import tempering
from tempering.cli.main import app
from tempering.measures import MEASURES
from tempering.params import ORDERS, SamplingParams

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("training/*.md"), *ROOT.glob("src/**/*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def _commands() -> dict[str, set[str]]:
    group = typer.main.get_command(app)
    commands = getattr(group, "commands")  # noqa: B009 - typer does not type its groups
    return {
        name: {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in commands.items()
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    known = _commands()
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(page, "") for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        words = shlex.split(line, comments=True) if line.startswith(("tempering ", "make ")) else []
        if words[:1] == ["tempering"]:
            assert words[1] in known, line
            flags = {word for word in words[2:] if re.match(r"-[-A-Za-z]", word)}
            assert flags <= known[words[1]], line
        elif words:
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
            assert set(words[1:]) <= set(targets), line


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs/models.md"], ids=lambda page: page.name)
def test_python_in_the_documents_runs(page: Path) -> None:
    [code] = blocks(page, "python")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, timeout=120)


def test_the_tree_names_every_module_and_no_other() -> None:
    [tree] = [block for block in blocks(ROOT / "CONTRIBUTING.md", "") if "src/tempering/" in block]
    named = set(re.findall(r"[a-z_]+\.(?:py|css)", tree.split("tests/")[0]))
    package = Path(tempering.__file__).parent
    files = {path.name for kind in ("*.py", "*.css") for path in package.rglob(kind) if not path.name.startswith("_")}
    assert named == files


def test_tables_name_every_measure_field_and_order() -> None:
    measures = (ROOT / "docs/measures.md").read_text(encoding="utf-8")
    sampling = (ROOT / "docs/sampling.md").read_text(encoding="utf-8")
    for measure in MEASURES:
        assert f"| `{measure.name}` | {measure.title} | {measure.unit}; " in measures
        assert f"- `{measure.name}`: {measure.validity} Source: {measure.source}." in measures
    for name in (*SamplingParams().as_dict(), *ORDERS):
        assert f"`{name}`" in sampling
