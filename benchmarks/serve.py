"""Requests a second and token latency of ``tempering serve`` beside llama.cpp's server on the same weights.

Run: ``python benchmarks/serve.py`` (extra ``gguf`` with its server, and ``gguf`` for the conversion). Both servers run
one after the other within each round, so that what disturbs the machine disturbs both; only their ratio is a result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tempering.models.embedded import WEIGHTS
from tempering.study.prompts import STORY_OPENINGS

TOKENS = 48
CLIENTS = (1, 8, 32)


@contextmanager
def running(command: list[str], url: str) -> Iterator[str]:
    """Run a server until it answers; yield its address."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + 120
            while time.monotonic() < until:
                try:
                    if httpx.get(f"{url}/models", timeout=2).status_code == 200:
                        break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield url
        finally:
            server.terminate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def one(http: httpx.AsyncClient, url: str, index: int, arrivals: list[list[float]]) -> None:
    """Stream one text and note when each piece came."""
    prompt = STORY_OPENINGS[index % len(STORY_OPENINGS)][1]
    body = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 1.0, "seed": index, "stream": True}
    times = [time.perf_counter()]
    async with http.stream("POST", f"{url}/completions", json=body) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"]:
                times.append(time.perf_counter())
    arrivals.append(times)


async def round_of(url: str, clients: int, each: int) -> dict[str, float]:
    """Let clients ask one text after the other; return requests a second and the quantiles of the gap of tokens."""
    arrivals: list[list[float]] = []

    async def client(http: httpx.AsyncClient, number: int) -> None:
        for turn in range(each):
            await one(http, url, number * each + turn, arrivals)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=600, limits=limits) as http:
        begun = time.perf_counter()
        await asyncio.gather(*(client(http, number) for number in range(clients)))
        seconds = time.perf_counter() - begun
    gaps = np.concatenate([np.diff(times[1:]) for times in arrivals])
    first = np.array([times[1] - times[0] for times in arrivals])
    return {
        "requests_per_second": len(arrivals) / seconds,
        "tokens_per_second": sum(len(times) - 1 for times in arrivals) / seconds,
        "token_p50_ms": 1000 * float(np.quantile(gaps, 0.5)),
        "token_p99_ms": 1000 * float(np.quantile(gaps, 0.99)),
        "first_p50_ms": 1000 * float(np.quantile(first, 0.5)),
        "first_p99_ms": 1000 * float(np.quantile(first, 0.99)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, default=2, help="texts of each client in a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        weights = Path(folder) / "stories.gguf"
        convert = [sys.executable, "training/to_gguf.py", "--model", str(WEIGHTS), "--out", str(weights)]
        subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
        ports = free_port(), free_port()
        ours = [sys.executable, "-m", "tempering", "serve", "--port", str(ports[0])]
        theirs = [sys.executable, "-m", "llama_cpp.server", "--model", str(weights), "--port", str(ports[1])]
        theirs += ["--n_ctx", "512", "--interrupt_requests", "false"]  # else a second client cuts the first one off
        urls = {
            "tempering": stack.enter_context(running(ours, f"http://127.0.0.1:{ports[0]}/v1")),
            "llama_cpp.server": stack.enter_context(running(theirs, f"http://127.0.0.1:{ports[1]}/v1")),
        }
        for url in urls.values():
            asyncio.run(round_of(url, 1, 1))  # the first text of a server also loads
        print(
            f"{'clients':>7} {'server':<17}{'req/s':>8}{'tok/s':>8}{'token p50':>11}{'p99':>9}"
            f"{'first p50':>11}{'p99':>9}"
        )
        for clients in CLIENTS:
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in urls}
            for _ in range(options.rounds):
                for name, url in urls.items():
                    found[name].append(asyncio.run(round_of(url, clients, options.each)))
            for name, rounds in found.items():
                mid = {key: float(np.median([one[key] for one in rounds])) for key in rounds[0]}
                print(
                    f"{clients:>7} {name:<17}{mid['requests_per_second']:>8.2f}{mid['tokens_per_second']:>8.0f}"
                    f"{mid['token_p50_ms']:>8.1f} ms{mid['token_p99_ms']:>6.0f} ms"
                    f"{mid['first_p50_ms']:>8.0f} ms{mid['first_p99_ms']:>6.0f} ms"
                )


if __name__ == "__main__":
    main()
