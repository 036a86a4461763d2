"""Rows of logits: any leading shape and float type in, checked float64 rows out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import LogitsError

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]


def checked_rows(logits: ArrayLike) -> tuple[Rows, tuple[int, ...]]:
    """Return logits as float64 rows, shape [rows, vocab], and their leading shape.

    Args:
        logits: shape [..., vocab], float16, bfloat16, float32, float64 or whole numbers; -inf masks a token.

    Raises:
        LogitsError: a row holds NaN or +inf, or nothing but -inf; the first such row is named.

    Example:
        >>> rows, leading = checked_rows([[[1, 2, 3]]])
        >>> rows.shape, leading
        ((1, 3), (1, 1))
    """
    try:
        # bfloat16 arrays (ml_dtypes) are a type of their own to NumPy, which can only be converted explicitly.
        array = np.asarray(logits).astype(np.float64)
    except (TypeError, ValueError):
        raise LogitsError("logits must be an array of real numbers") from None
    if array.ndim == 0 or array.shape[-1] == 0:
        raise LogitsError(f"logits must have the shape [..., vocab] with vocab >= 1, got {list(array.shape)}")
    leading = array.shape[:-1]
    rows = array.reshape(math.prod(leading), array.shape[-1])
    largest = rows.max(axis=1)  # NaN and +inf come through a maximum; -inf is one only if nothing else is there
    if not np.isfinite(largest).all():
        first = int(np.flatnonzero(~np.isfinite(largest))[0])
        row = tuple(int(i) for i in np.unravel_index(first, leading)) if leading else ()
        value = largest[first]
        problem = "NaN" if np.isnan(value) else "+inf" if value > 0 else "no token left: every logit is -inf"
        place = f"row {row[0] if len(row) == 1 else row} of logits" if row else "logits"
        raise LogitsError(f"{place}: {problem}", row=row)
    return rows, leading


def log_softmax(scores: Rows, keep: Mask) -> Rows:
    """Return log-probabilities over the kept tokens of each row, -inf elsewhere.

    Args:
        scores: shape [rows, vocab]; ignored where not kept.
        keep: shape [rows, vocab], at least one kept a row.
    """
    masked = np.where(keep, scores, -np.inf)
    masked -= masked.max(axis=1, keepdims=True)
    masked -= np.log(np.exp(masked).sum(axis=1, keepdims=True))
    return masked


def entropy(logprobs: Rows) -> NDArray[np.float64]:
    """Return the entropy in nats of each row of log-probabilities; -inf counts as probability 0."""
    finite = np.where(np.isneginf(logprobs), 0.0, logprobs)
    total: NDArray[np.float64] = -(np.exp(logprobs) * finite).sum(axis=1)
    return np.maximum(total, 0.0)  # the sum of a sure row may round to -1e-17
