"""Numbers as JSON that every reader can read: no Infinity, no NaN. Knows nothing of what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """Return a value as JSON has it: infinity as the text ``inf``, what is undefined as null, tuples as lists.

    Example:
        >>> plain({"t": float("inf"), "x": (1.5, float("nan"))})
        {'t': 'inf', 'x': [1.5, None]}
    """
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def real(value: object) -> float:
    """Return the number that ``plain`` made a value of.

    Raises:
        ValueError: it is none.
        TypeError: it is none.

    Example:
        >>> real("inf"), real(2), real(None)
        (inf, 2.0, nan)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise TypeError
    return math.nan if value is None else float(value)
