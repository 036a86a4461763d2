"""A peer in a process of its own: reads jobs, one a line, and answers with the seconds a row that one run took.

Run: ``python -m tempering.bench.worker PEER``. The first line that it writes holds its versions.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time

from tempering.bench.jobs import Job
from tempering.bench.peers import OURS, PEERS, Work, versions


def serve(peer: str) -> None:
    """Answer jobs until stdin ends: seconds and CPU seconds a row, null where the peer has no such rule."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # an engine that prints must not end up among the answers

    def answer(value: object) -> None:
        print(json.dumps(value), file=answers, flush=True)

    try:
        answer({"versions": versions(peer)})
    except importlib.metadata.PackageNotFoundError as missing:
        answer({"missing": f"{missing.name} is not installed"})
        return
    ready: dict[Job, Work | None] = {}
    for line in sys.stdin:
        job = Job(**json.loads(line))
        if job not in ready:
            rows = job.logits() if peer == OURS else job.logits()[: job.limit]
            ready = {job: PEERS[peer][0](job, rows)}  # one at a time: rows are large
            if (work := ready[job]) is not None:
                work()  # compiles, loads, touches memory; not timed
        if (work := ready[job]) is None:
            answer({"seconds": None, "cpu": None})
            continue
        begun, spent = time.perf_counter(), time.process_time()
        work()
        seconds = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - spent}
        answer({name: value / len(rows) for name, value in seconds.items()})


if __name__ == "__main__":
    serve(sys.argv[1])
