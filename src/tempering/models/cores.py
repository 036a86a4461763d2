"""How many cores an engine may compute with. Knows nothing of any engine."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many cores this process may use: a container's share, where the system says it.

    Example:
        >>> usable_cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
