"""Penalties on tokens already used and on repeated passages. Knows token ids; knows nothing of T or truncation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.rows import Rows


@dataclass(frozen=True)
class Context:
    """The tokens before a step, which penalties look at.

    Attributes:
        prompt: ids of the prompt; seen by ``repetition_penalty`` only.
        generated: ids drawn so far; seen by all penalties.
        mu: the state of mirostat v2, in bits (``tempering.sampling.mirostat``); that of a first token unless given.

    Example:
        >>> Context(prompt=(5, 6), generated=(7,)).generated
        (7,)
    """

    prompt: tuple[int, ...] = ()
    generated: tuple[int, ...] = ()
    mu: float | None = None


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
    out = logits.copy()
    for row, seen in zip(out, contexts_of(context, len(logits)), strict=True):
        used = np.unique(ids_of(seen, len(row)))
        row[used] = np.where(
            row[used] > 0, row[used] / params.repetition_penalty, row[used] * params.repetition_penalty
        )
        ids, counts = np.unique(np.array(seen.generated, dtype=np.int64), return_counts=True)
        row[ids] -= params.frequency_penalty * counts + params.presence_penalty
    return out


def ids_of(seen: Context, vocabulary: int) -> NDArray[np.int64]:
    """Return the ids of prompt and text.

    Raises:
        ParameterError: one is outside the vocabulary.
    """
    both = np.array(seen.prompt + seen.generated, dtype=np.int64)
    if both.size and not 0 <= both.min() <= both.max() < vocabulary:
        raise ParameterError(f"context holds an id outside the vocabulary of {vocabulary}", field="context")
    return both


def dry(logits: Rows, params: SamplingParams, context: ContextLike) -> Rows:
    """Return logits after the penalty on tokens that would continue a repeated passage ("don't repeat yourself").

    For a token that followed an earlier copy of the last L tokens (the longest such L): logit - m * b^(L - allowed) if
    L >= allowed (p-e-w 2024, text-generation-webui, pull 5677). Prompt and generated text count; there are no sequence
    breakers, as this library sees ids only.

    Args:
        logits: shape [rows, vocab].
        params: ``dry_multiplier`` m, ``dry_base`` b and ``dry_allowed_length``.
        context: see ``ContextLike``.

    Raises:
        ParameterError: as in ``penalise``.
    """
    out = logits.copy()
    for row, seen in zip(out, contexts_of(context, len(logits)), strict=True):
        for token, length in continuations(ids_of(seen, len(row))).items():
            if length >= max(params.dry_allowed_length, 1):
                # An exponent beyond 700 overflows; so large a penalty forbids the token as it is.
                power = min((length - params.dry_allowed_length) * np.log(params.dry_base), 700.0)
                row[token] -= params.dry_multiplier * np.exp(power)
    return out


def continuations(ids: NDArray[np.int64]) -> dict[int, int]:
    """Return for each token that followed an earlier copy of the text's end the length of the longest such copy."""
    longest: dict[int, int] = {}
    last = len(ids) - 1
    for end in np.flatnonzero(ids[:last] == ids[last]) if last > 0 else ():
        earlier, now = ids[: end + 1][::-1], ids[::-1][: end + 1]
        differs = np.flatnonzero(earlier != now)
        length = int(differs[0]) if differs.size else len(earlier)
        token = int(ids[end + 1])
        longest[token] = max(longest.get(token, 0), length)
    return longest
