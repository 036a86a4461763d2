"""Rows of logits: any leading shape and float type in, checked float64 rows out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import LogitsError

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]
Totals = NDArray[np.float64]


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


def native(logits: ArrayLike) -> NDArray[np.floating] | None:
    """Return logits as contiguous float32 or float64 rows; None if they are no array of numbers, or empty."""
    array = np.asarray(logits)
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "fiuV":
        return None
    if array.dtype not in {np.dtype(np.float32), np.dtype(np.float64)}:
        # float16 and bfloat16 are exact in float32; whole numbers may not be.
        try:
            array = array.astype(np.float64 if array.dtype.kind in "iu" or array.dtype.itemsize > 4 else np.float32)
        except (TypeError, ValueError):
            return None
    return np.ascontiguousarray(array.reshape(-1, array.shape[-1]))


def ranked(scores: Rows, keep: Mask) -> NDArray[np.intp]:
    """Return the token ids of each row, shape [rows, vocab]: kept ones by score descending, id ascending, then others.

    Scores that float32 holds exactly, as a model's logits are, are sorted as one whole number each: score, then id.
    These are all different, so a sort that is not stable, and four times as fast, gives the same order.

    Args:
        scores: shape [rows, vocab], without NaN.
        keep: shape [rows, vocab].

    Example:
        >>> ranked(np.array([[1.0, 3.0, 3.0, 2.0]]), np.array([[True, True, True, False]]))
        array([[1, 2, 0, 3]])
    """
    falling = np.where(keep, -scores, np.inf)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is seen below
        narrow = falling.astype(np.float32) + np.float32(0)  # makes -0 the same as 0
    if not np.array_equal(narrow, falling):
        return np.argsort(falling, axis=1, kind="stable")
    bits = narrow.view(np.int32)
    rising = (bits ^ (bits >> 31 & 0x7FFFFFFF)).astype(np.int64)  # whole numbers in the order of the floats
    ordered: NDArray[np.intp] = np.sort(rising << 32 | np.arange(falling.shape[1]), axis=1) & 0xFFFFFFFF
    return ordered


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


def moments(rows: NDArray[np.floating], best: Totals, temperature: float) -> tuple[Totals, Totals]:
    """Return the sums of e and of e y over each row, where y = (z - best) / T and e = exp(y), each of shape [rows].

    So log Z = best / T + log of the first, and the entropy is the log of the first less the second over the first.
    The first is to the last digit what ``log_softmax`` divides by.

    Args:
        rows: logits, float32 or float64, [rows, vocab].
        best: the largest of each row, [rows].
        temperature: T, in (0, inf).

    Example:
        >>> total, first = moments(np.zeros((1, 4)), np.zeros(1), 1.0)
        >>> total.tolist(), first.tolist()
        ([4.0], [0.0])
    """
    total, first = np.empty((2, len(rows)))
    at_once = max(1, 32_768 // rows.shape[1])  # what is worked on stays in cache
    for begin in range(0, len(rows), at_once):
        part = slice(begin, begin + at_once)
        y = rows[part].astype(np.float64)
        y -= best[part, None]
        if temperature != 1:
            with np.errstate(over="ignore"):
                y /= temperature
        np.maximum(y, -800.0, out=y)  # as good as nothing, and no -inf times 0
        e = np.exp(y)
        total[part], first[part] = e.sum(axis=1), np.einsum("ij,ij->i", e, y)
    return total, first
