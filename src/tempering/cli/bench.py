"""``tempering bench``: what a draw costs here, beside other engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tempering.bench.jobs import KINDS, RULES, Job, shape_of
from tempering.cli.terminal import say
from tempering.errors import UsageError

PEERS = ("tempering", "numpy", "torch", "transformers", "llama.cpp")


AGAIN = "may be given again."
Shape = Annotated[
    list[str] | None,
    typer.Option("--shape", help=f"Rows x vocabulary, 64x128256 unless given; {AGAIN}", show_default=False),
]
Rule = Annotated[
    list[str] | None, typer.Option("--rule", help=f"One of {', '.join(RULES)}; {AGAIN}", show_default=False)
]
Kind = Annotated[
    list[str] | None, typer.Option("--kind", help="Rows: normal or realistic, both unless given.", show_default=False)
]
PeerName = Annotated[
    list[str] | None, typer.Option("--peer", help=f"One of {', '.join(PEERS)}; {AGAIN}", show_default=False)
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for bench.md and bench.json.")]


def bench(
    *,
    shape: Shape = None,
    rule: Rule = None,
    kind: Kind = None,
    peer: PeerName = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Timed runs of each.")] = 5,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads that each peer may use.")] = 1,
    out: Out = Path("runs/bench"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time draws by rules, shapes and peers, each peer in a process of its own, and write a table of ratios.

    Takes some minutes. Ratios within one run count; the machine should have nothing else to do.
    """
    rules, kinds, peers = rule or list(RULES), kind or list(KINDS), peer or list(PEERS)
    for what, given, known in (("rule", rules, RULES), ("kind", kinds, KINDS), ("peer", peers, PEERS)):
        if unknown := [name for name in given if name not in known]:
            raise UsageError(f"there is no {what} {unknown[0]!r}; there are {', '.join(known)}")
    jobs = [Job(r, k, *shape_of(s)) for s in shape or ["64x128256"] for k in kinds for r in rules]

    from tempering.bench.measure import as_dict, as_markdown, measure  # noqa: PLC0415
    from tempering.study.store import write_atomically  # noqa: PLC0415

    found = measure(
        jobs,
        peers,
        runs=runs,
        threads=threads,
        on_job=lambda job: say(f"{job.rows}x{job.vocabulary} {job.kind} {job.rule}"),
    )
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_dict(found), indent=1)
    write_atomically(out / "bench.json", text + "\n")
    write_atomically(out / "bench.md", as_markdown(found))
    print(text if as_json else as_markdown(found), end="" if not as_json else "\n")
    say(f"written: {out / 'bench.md'} and bench.json")
