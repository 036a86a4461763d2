"""Compiles on first use, keeps the result in the user's cache folder, says so. Knows Numba; knows nothing of logits."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import event

FAST = {"contract", "nsz", "reassoc"}
"""Sums may be taken in another order, which lets them run in vectors; NaN and infinity keep their meaning."""


@functools.cache
def cache_folder() -> Path | None:
    """Return where compiled kernels are kept between runs, None if it cannot be written to.

    It is ``tempering/kernels-...`` in the user's cache folder. The last part follows from the source of all kernels:
    Numba looks at one file at a time and would keep a kernel whose helpers in another file have changed.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    name = f"kernels-{hashlib.blake2b(sources, digest_size=6).hexdigest()}"
    folder = (Path(base) if base else Path.home() / ".cache") / "tempering" / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # what is loaded from here runs
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that Numba compiles when it is first called with new types."""
    folder, before = cache_folder(), numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder or "")
    try:
        kernel: Callable[..., Any] = numba.njit(
            function, cache=folder is not None, fastmath=FAST, error_model="numpy", nogil=True
        )
    finally:
        numba.config.CACHE_DIR = before
    return kernel


class _Notice(event.Listener):
    """Says once a process that kernels are being compiled."""

    said = False

    def on_start(self, started: event.Event) -> None:
        module = started.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith(__package__):
            self.said = True
            print("tempering: compiling its kernels, some seconds, once on this machine", file=sys.stderr, flush=True)

    def on_end(self, ended: event.Event) -> None:
        pass


event.register("numba:compile", _Notice())
