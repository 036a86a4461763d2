"""Penalties on tokens already used. Knows token ids; knows nothing of temperature or truncation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.rows import Rows


@dataclass(frozen=True)
class Context:
    """The tokens before a step, which penalties look at.

    Attributes:
        prompt: ids of the prompt; seen by ``repetition_penalty`` only.
        generated: ids drawn so far; seen by all three penalties.

    Example:
        >>> Context(prompt=(5, 6), generated=(7,)).generated
        (7,)
    """

    prompt: tuple[int, ...] = ()
    generated: tuple[int, ...] = ()


ContextLike = Context | Sequence[int] | Sequence[Context] | None
"""One context for all rows, one a row, or plain token ids, which count as generated."""


def contexts_of(context: ContextLike, rows: int) -> list[Context]:
    """Return one context a row.

    Raises:
        ParameterError: there are neither one nor as many contexts as rows.
    """
    if context is None:
        return [Context()] * rows
    if isinstance(context, Context):
        return [context] * rows
    each = [item for item in context if isinstance(item, Context)]
    if each and len(each) == len(context) == rows:
        return each
    if each:
        raise ParameterError(f"context must be one, or one a row: {rows} rows, {len(context)} given", field="context")
    return [Context(generated=tuple(int(item) for item in context if not isinstance(item, Context)))] * rows


def penalise(logits: Rows, params: SamplingParams, context: ContextLike) -> Rows:
    """Return logits after the repetition, frequency and presence penalties.

    Repetition r (Keskar et al. 2019, arXiv 1909.05858): a seen token's logit is divided by r if positive, multiplied
    if not. Frequency f and presence s (as in the OpenAI API): logit - f * count - s * (count > 0) over what was
    generated.

    Args:
        logits: shape [rows, vocab].
        params: the three penalty fields.
        context: see ``ContextLike``.

    Raises:
        ParameterError: a context holds an id outside the vocabulary, or their number does not fit the rows.
    """
    out, vocabulary = logits.copy(), logits.shape[1]
    for row, seen in zip(out, contexts_of(context, len(logits)), strict=True):
        both = np.array(seen.prompt + seen.generated, dtype=np.int64)
        if both.size and not 0 <= both.min() <= both.max() < vocabulary:
            raise ParameterError(f"context holds an id outside the vocabulary of {vocabulary}", field="context")
        used = np.unique(both)
        row[used] = np.where(
            row[used] > 0, row[used] / params.repetition_penalty, row[used] * params.repetition_penalty
        )
        ids, counts = np.unique(np.array(seen.generated, dtype=np.int64), return_counts=True)
        row[ids] -= params.frequency_penalty * counts + params.presence_penalty
    return out
