"""Counters in Prometheus' text form. Knows nothing of what is counted."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping

Labels = tuple[tuple[str, str], ...]
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters, gauges and histograms of seconds, safe for threads.

    Example:
        >>> metrics = Metrics({"tokens_total": "tokens drawn"})
        >>> metrics.add("tokens_total", 3)
        >>> print(metrics.text().splitlines()[-1])
        tempering_tokens_total 3
    """

    def __init__(self, help_of: Mapping[str, str]) -> None:
        self._help = help_of
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[str, tuple[list[int], list[float]]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Raise a counter."""
        key = name, tuple(sorted(labels.items()))
        with self._lock:
            self._counters[key] = self._counters.get(key, 0) + amount

    def seconds(self, name: str, value: float) -> None:
        """Note a duration in a histogram."""
        with self._lock:
            counts, total = self._histograms.setdefault(name, ([0] * (len(SECONDS) + 1), [0.0]))
            counts[bisect_left(SECONDS, value)] += 1
            total[0] += value

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """Show what a function returns whenever the metrics are read."""
        self._gauges[name] = value

    def text(self) -> str:
        """Return everything in Prometheus' text format 0.0.4."""
        with self._lock:
            counters, lines = dict(self._counters), list[str]()
            histograms = {name: (list(counts), total[0]) for name, (counts, total) in self._histograms.items()}
        for name in dict.fromkeys(name for name, _ in counters):
            lines += self._head(name, "counter")
            lines += [f"tempering_{name}{_shown(labels)} {v:g}" for (n, labels), v in counters.items() if n == name]
        for name, value in self._gauges.items():
            lines += [*self._head(name, "gauge"), f"tempering_{name} {value():g}"]
        for name, (counts, total_seconds) in histograms.items():
            lines += self._head(name, "histogram")
            seen = 0
            for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
                seen += count
                lines.append(f'tempering_{name}_bucket{{le="{bound}"}} {seen}')
            lines += [f"tempering_{name}_sum {total_seconds:.6f}", f"tempering_{name}_count {seen}"]
        return "\n".join(lines) + "\n"

    def _head(self, name: str, kind: str) -> list[str]:
        return [f"# HELP tempering_{name} {self._help.get(name, name)}", f"# TYPE tempering_{name} {kind}"]


def _shown(labels: Labels) -> str:
    """Return labels as Prometheus writes them; a path of a route holds nothing else that it would misread."""
    quoted = ((name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in quoted) + "}" if labels else ""
