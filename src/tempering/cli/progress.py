"""Progress of a long run, on stderr: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from tempering.cli.terminal import say

if TYPE_CHECKING:
    from tempering.study.run import Progress

REFRESH = 0.1
PLAIN_EVERY = 10.0


class ProgressLine:
    """Shows ``Progress`` as it comes; a context manager.

    Attributes:
        samples: samples stored, as last told.
        total: samples that there will be.
        complete_before: nothing was left to do when the run began.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self.samples = self.total = 0
        self.complete_before = False
        self._shown = 0.0
        self._told = False
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> ProgressLine:
        if not self.quiet and sys.stderr.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where a bar is shown
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

            self._bar = Progress(
                TextColumn("generating"),
                BarColumn(),
                TextColumn(
                    "{task.percentage:3.0f} % · {task.fields[samples]} samples · {task.fields[rate]:,.0f} tokens/s ·"
                ),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=1.0, samples="0", rate=0.0)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, progress: Progress) -> None:
        """Take note, and show it if the last time is long enough ago."""
        if not self._told:
            self._told = True
            self.complete_before = progress.samples >= progress.total
        self.samples, self.total = progress.samples, progress.total
        now, done = time.monotonic(), progress.samples >= progress.total
        if (
            self.quiet
            or self.complete_before
            or (now - self._shown < (REFRESH if self._bar else PLAIN_EVERY) and not done)
        ):
            return
        self._shown = now
        rate = progress.tokens / progress.seconds if progress.seconds else 0.0
        if self._bar:
            samples = f"{progress.samples}/{progress.total}"
            self._bar.update(self._task, completed=progress.work, samples=samples, rate=rate)
        else:
            share = f"{progress.work:.0%}"
            say(f"generating: {share}, {progress.samples} of {progress.total} samples, {rate:,.0f} tokens/s")
