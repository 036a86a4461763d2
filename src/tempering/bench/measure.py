"""Runs jobs on peers in turn and makes the table of ratios. Knows processes and clocks; knows nothing of rules."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tempering._version import __version__
from tempering.bench.jobs import PEER_ROWS, Job
from tempering.bench.peers import OURS, PEERS
from tempering.errors import TemperingError

SLOW = 1.0
"""Seconds from which on a peer is timed three times only."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Peer:
    """A peer's process; ``close`` ends it."""

    def __init__(self, name: str, threads: int) -> None:
        settings = {variable: str(threads) for variable in THREADS} | dict(PEERS[name][2])
        command = [sys.executable, "-m", "tempering.bench.worker", name]
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | settings
        )
        hello = self._answer()
        self.versions: str | None = hello.get("versions")
        self.missing: str | None = hello.get("missing")

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait()

    def seconds(self, job: Job) -> tuple[float, float] | None:
        """Return how long a row of one run took, and its CPU time; None where the peer has no such rule.

        Raises:
            TemperingError: the process has ended.
        """
        assert self._process.stdin
        try:
            print(json.dumps(asdict(job)), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise TemperingError(f"the process of {self.name} has ended") from None
        found = self._answer()
        return None if found["seconds"] is None else (found["seconds"], found["cpu"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise TemperingError(f"the process of {self.name} has ended; its errors are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True)
class Timing:
    """What one peer needs for one job.

    Attributes:
        job: the job.
        peer: who did it.
        microseconds: a row, median over runs; None where the peer has no such rule.
        lowest: a row, the fastest run.
        highest: a row, the slowest run.
        cpu: a row, CPU time, median: what a busy machine disturbs least, and all threads together.
        runs: how many.
    """

    job: Job
    peer: str
    microseconds: float | None
    lowest: float | None
    highest: float | None
    cpu: float | None
    runs: int


@dataclass(frozen=True)
class Measurement:
    """All timings of one run, with what they were taken on.

    Attributes:
        timings: one a job and peer.
        peers: versions by peer; why it is missing where it is.
        machine: facts of the machine.
    """

    timings: tuple[Timing, ...]
    peers: dict[str, str]
    machine: dict[str, Any]


def measure(
    jobs: Sequence[Job],
    peers: Sequence[str],
    *,
    runs: int = 5,
    threads: int = 1,
    on_job: Callable[[Job], None] | None = None,
) -> Measurement:
    """Time jobs on peers, each in its own process, turn by turn, so that a disturbance hits all of them.

    Args:
        jobs: what is timed.
        peers: keys of ``PEERS``.
        runs: runs of each job and peer, the first of them after one that is not timed; three where one takes long.
        threads: that each process may use.
        on_job: called with each job before it is timed.

    Raises:
        TemperingError: the process of a peer has ended.
    """
    begun, before = time.time(), os.getloadavg()
    opened = [Peer(name, threads) for name in peers]
    try:
        there, timings = [peer for peer in opened if not peer.missing], []
        for job in jobs:
            if on_job:
                on_job(job)
            timings += _turns(job, there, runs)
    finally:
        for peer in opened:
            peer.close()
    machine = {
        "tempering": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads a peer": threads,
        "load before": round(before[0], 2),
        "load after": round(os.getloadavg()[0], 2),
        "seconds": round(time.time() - begun, 1),
        "date": time.strftime("%Y-%m-%d", time.gmtime(begun)),
    }
    known = {peer.name: peer.versions or f"missing: {peer.missing}" for peer in opened}
    return Measurement(tuple(timings), known, machine)


def _turns(job: Job, peers: Sequence[Peer], runs: int) -> list[Timing]:
    taken: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
    for turn in range(runs):
        for peer in peers:
            times = taken[peer.name]
            if turn and (not times or (turn >= 3 and times[0][0] * job.limit > SLOW)):
                continue
            if (found := peer.seconds(job)) is not None:
                times.append(found)
    timings = []
    for name, times in taken.items():
        if times:
            each, cpu = np.array(times).T * 1e6
            middle, low, high, own = map(float, (np.median(each), each.min(), each.max(), np.median(cpu)))
            timings.append(Timing(job, name, middle, low, high, own, len(times)))
        else:
            timings.append(Timing(job, name, None, None, None, None, 0))
    return timings


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def as_dict(found: Measurement) -> dict[str, Any]:
    """Return a measurement as JSON-ready values, one flat record a timing."""
    flat = [asdict(timing.job) | {k: v for k, v in asdict(timing).items() if k != "job"} for timing in found.timings]
    return {"machine": found.machine, "peers": found.peers, "timings": flat}


def as_markdown(found: Measurement) -> str:
    """Return a measurement as a page: one table a shape and kind of rows; ratios against tempering."""
    lines = ["# What a draw costs", ""]
    lines += [f"- {key}: {value}" for key, value in found.machine.items()]
    lines += [f"- {name}: {value}" for name, value in found.peers.items()]
    lines += ["", "Microseconds a row, median of the runs; in brackets how many times as long as tempering takes."]
    lines += [f"Peers are timed on the first {PEER_ROWS} rows."]
    groups = dict.fromkeys((t.job.rows, t.job.vocabulary, t.job.kind) for t in found.timings)
    for rows, vocabulary, kind in groups:
        mine = [t for t in found.timings if (t.job.rows, t.job.vocabulary, t.job.kind) == (rows, vocabulary, kind)]
        names = list(dict.fromkeys(t.peer for t in mine))
        reading = next((t.microseconds for t in mine if t.job.rule == "read" and t.peer == OURS), None)
        lines += ["", f"## {rows} rows of {vocabulary}, {kind}", ""]
        lines.append("| rule | " + " | ".join(names) + (" | times one read |" if reading else " |"))
        lines.append("|---|" + "---|" * (len(names) + bool(reading)))
        for rule in dict.fromkeys(t.job.rule for t in mine):
            each = {t.peer: t.microseconds for t in mine if t.job.rule == rule}
            base = each.get(OURS)
            cells = [_cell(each[name], base if name != OURS else None) for name in names]
            cells += [f"{base / reading:.1f}" if base else ""] if reading else []
            lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, base: float | None) -> str:
    if value is None:
        return "no such rule"
    return f"{value:,.1f}" + (f" ({value / base:.1f}x)" if base else "")
