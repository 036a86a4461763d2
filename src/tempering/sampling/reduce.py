"""Draws through the compiled loops: a row is read once and cut down, and the plain definitions see what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams
from tempering.sampling.distribution import apply_steps
from tempering.sampling.draw import Draws
from tempering.sampling.kernels.cuts import Cut, Row, first_best, ids_within, threshold, top_k, top_p, typical
from tempering.sampling.kernels.mass import LOG2_E, moments
from tempering.sampling.kernels.philox import first_uniforms, gumbel_at
from tempering.sampling.kernels.pick import (
    gumbel_among,
    gumbel_of_row,
    inverse_among,
    inverse_of_row,
)
from tempering.sampling.kernels.scan import BLOCK, FINE, scan32, scan64
from tempering.sampling.kernels.select import count_above
from tempering.sampling.mirostat import first_mu
from tempering.sampling.noise import COIN, INVERSE, Keys
from tempering.sampling.penalties import Context, ContextLike, contexts_of, dry, penalise
from tempering.sampling.plan import Plan, rate_of
from tempering.sampling.rows import checked_rows, native

MANY = 0.25
"""Share of the tokens from which on they are drawn from in place, without a list of their ids."""

WIDEST = 4096
"""Candidates a row up to which the plain definitions take over; more are left to the plain way from the start."""


@dataclass(frozen=True)
class Drawing:
    """What a draw needs beside the logits.

    Attributes:
        params: the settings.
        plan: how they are carried out.
        keys: of the noise, one a row.
        inverse: whether one uniform number a row decides instead of Gumbel noise.
        facts: whether logprobs and entropy are wanted.
    """

    params: SamplingParams
    plan: Plan
    keys: Keys
    inverse: bool
    facts: bool

    def uniforms(self, stream: int) -> NDArray[np.float64]:
        """Return one number a row of a stream."""
        out = np.empty(len(self.keys))
        first_uniforms(self.keys.seeds, self.keys.sequences, self.keys.steps, np.uint64(stream), out)
        return out

    def key(self, row: int) -> tuple[np.uint64, np.uint64, np.uint64]:
        """Return the key of a row's noise."""
        return self.keys.seeds[row], self.keys.sequences[row], self.keys.steps[row]


def scanned(rows: NDArray[np.floating], logits: ArrayLike) -> list[Row]:
    """Read every row once.

    Raises:
        LogitsError: as ``checked_rows``, by which it is raised.
    """
    scan = scan32 if rows.dtype == np.float32 else scan64
    blocks, room = -(-rows.shape[1] // BLOCK), np.empty(rows.shape[1], np.int64)
    found = []
    for row in rows:
        maxima = np.empty(blocks)
        if scan(row, maxima) != FINE:
            checked_rows(logits)
        found.append(Row(row, maxima, float(maxima.max()), room))
    return found


def cut_of(row: Row, plan: Plan, params: SamplingParams, mu: float) -> Cut | None:
    """Return where the first rule cuts a row; None if the kernels cannot tell."""
    if plan.first == "top_k":
        return top_k(row, params.top_k, params.ties)
    if plan.first == "top_p":
        return top_p(row, params.top_p, plan.temperature, params.top_p_edge)
    if plan.first == "typical_p":
        return typical(row, params.typical_p, plan.temperature)
    value = mu if plan.first == "mirostat" else getattr(params, str(plan.first))
    return threshold(row, str(plan.first), value, plan.temperature)


def reduced_draw(logits: ArrayLike, drawing: Drawing, context: ContextLike) -> Draws | None:
    """Draw a token a row; None if some row must go the plain way.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: contexts do not fit the rows.
    """
    given = native(logits)
    if given is None:
        return None
    raw = scanned(given, logits)
    seen = contexts_of(context, len(raw))
    rows = _penalised(given, raw, drawing, seen)
    raw_logprobs, processed_logprobs, entropies = np.full((3, len(rows)), math.nan)
    drawn = Draws(np.empty(len(rows), np.int64), raw_logprobs, processed_logprobs, entropies)
    if drawing.plan.first is None:
        _whole(rows, drawing, drawn)
    elif (cuts := _cuts(rows, drawing, seen)) is None or not _from_cuts(rows, cuts, drawing, seen, drawn):
        return None
    if drawing.facts:
        for i, row in enumerate(raw):
            total = moments(row.logits, row.best, LOG2_E)[0]
            drawn.raw_logprobs[i] = float(row.logits[drawn.tokens[i]]) - row.best - math.log(total)
    return drawn


def _penalised(given: NDArray[np.floating], raw: list[Row], drawing: Drawing, seen: list[Context]) -> list[Row]:
    """Return the rows after the penalties, which make them float64; the raw ones if there are none."""
    done = drawing.plan.done & {"penalties", "dry"}
    if not done:
        return raw
    changed = given.astype(np.float64)
    for step in (step for step in drawing.params.steps if step in done):
        changed = (penalise if step == "penalties" else dry)(changed, drawing.params, seen)
    return scanned(changed, changed)


def _cuts(rows: list[Row], drawing: Drawing, seen: list[Context]) -> list[Cut] | None:
    """Return where the first rule cuts each row; None if the kernels cannot tell for one of them."""
    cuts = []
    for row, context in zip(rows, seen, strict=True):
        mu = first_mu(drawing.params) if context.mu is None else context.mu
        if (cut := cut_of(row, drawing.plan, drawing.params, mu)) is None:
            return None
        cuts.append(cut)
    return cuts


def _from_cuts(rows: list[Row], cuts: list[Cut], drawing: Drawing, seen: list[Context], drawn: Draws) -> bool:
    """Draw from what the first rule kept; False if that is too much for the plain definitions to go on with."""
    if drawing.plan.simple and 0 < drawing.params.temperature < math.inf:
        _among(rows, cuts, drawing, drawn)
        return True
    kept = [ids_within(row, cut) for row, cut in zip(rows, cuts, strict=True)]
    if max(len(ids) for ids in kept) > WIDEST:
        return False
    _onwards(rows, kept, drawing, seen, drawn)
    return True


def _whole(rows: list[Row], drawing: Drawing, drawn: Draws) -> None:
    """Draw from rows of which nothing is cut."""
    t = drawing.params.temperature
    if t == 0:
        drawn.tokens[:] = [first_best(row) for row in rows]
        drawn.processed_logprobs[:], drawn.entropies[:] = 0.0, 0.0
        return
    u = drawing.uniforms(INVERSE) if drawing.inverse else np.empty(0)
    for i, row in enumerate(rows):
        left = np.flatnonzero(row.logits > -np.inf) if math.isinf(t) else None
        if not drawing.inverse:
            token = gumbel_of_row(
                row.logits, row.maxima, row.best, rate_of(t), -math.inf, len(row.logits), *drawing.key(i)
            )
        elif left is not None:
            token = left[int(u[i] * len(left))]
        else:
            token = inverse_of_row(row.logits, row.maxima, row.best, LOG2_E * rate_of(t), u[i])
        drawn.tokens[i] = token
        if drawing.facts and left is not None:
            drawn.processed_logprobs[i], drawn.entropies[i] = -math.log(len(left)), math.log(len(left))
        elif drawing.facts:
            _note(row.logits, row, i, rate_of(t), drawn)


def _note(kept: NDArray[np.floating], row: Row, at: int, rate: float, drawn: Draws) -> None:
    """Note log-probability and entropy of a row whose kept logits are these."""
    total, first, _ = moments(kept, row.best, LOG2_E * rate)
    gap = float(row.logits[drawn.tokens[at]]) - row.best
    drawn.processed_logprobs[at] = gap * rate - math.log(total)
    drawn.entropies[at] = max(math.log(total) - first / (LOG2_E * total), 0.0)


def _among(rows: list[Row], cuts: list[Cut], drawing: Drawing, drawn: Draws) -> None:
    """Draw from the kept tokens, where nothing but temperature is left to do."""
    rate = rate_of(drawing.params.temperature)
    u = drawing.uniforms(INVERSE) if drawing.inverse else np.empty(0)
    for i, (row, cut) in enumerate(zip(rows, cuts, strict=True)):
        in_place = cut.ids is None and not drawing.inverse and _many(row, cut)
        ids = np.empty(0, np.int64) if in_place and not drawing.facts else ids_within(row, cut)
        if in_place:
            token = gumbel_of_row(row.logits, row.maxima, row.best, rate, cut.at, cut.last, *drawing.key(i))
        elif drawing.inverse:
            token = inverse_among(row.logits, ids, row.best, LOG2_E * rate, u[i])
        else:
            token = gumbel_among(row.logits, ids, row.best, rate, *drawing.key(i))
        drawn.tokens[i] = token
        if drawing.facts:
            _note(row.logits[ids], row, i, rate, drawn)


def _many(row: Row, cut: Cut) -> bool:
    """Whether a cut keeps so many tokens that making all noise is cheaper than listing them."""
    return bool(count_above(row.logits, row.maxima, cut.at) > MANY * len(row.logits))


def _onwards(
    rows: list[Row], kept: list[NDArray[np.int64]], drawing: Drawing, context: ContextLike, drawn: Draws
) -> None:
    """Let the plain definitions do the rest of the order on what the first rule has kept."""
    width = max(len(ids) for ids in kept)
    scores, noise = np.full((len(rows), width), -np.inf), np.zeros((len(rows), width))
    for i, (row, ids) in enumerate(zip(rows, kept, strict=True)):
        scores[i, : len(ids)] = row.logits[ids]
        if not drawing.inverse:
            gumbel_at(*drawing.key(i), ids, noise[i, : len(ids)])
    coins = drawing.uniforms(COIN)
    state = apply_steps(scores, (len(rows),), drawing.params, context=context, coins=coins, done=drawing.plan.done)
    if drawing.inverse:
        running = np.cumsum(np.exp(state.logprobs), axis=1)
        places = (running > drawing.uniforms(INVERSE)[:, None] * running[:, -1:]).argmax(axis=1)
    else:
        places = (state.logprobs + noise).argmax(axis=1)
    drawn.tokens[:] = [ids[place] for ids, place in zip(kept, places, strict=True)]
    drawn.processed_logprobs[:] = state.logprobs[np.arange(len(rows)), places]
    drawn.entropies[:] = state.entropy
