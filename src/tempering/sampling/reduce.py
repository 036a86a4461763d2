"""Draws through the compiled loops: a row is read once and cut down, and the plain definitions see what is left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams
from tempering.sampling.distribution import apply_steps
from tempering.sampling.draw import Draws
from tempering.sampling.kernels.cuts import Cut, first_best, ids_within, threshold, top_k, top_p, typical
from tempering.sampling.kernels.inverse import inverse_among, inverse_of_row
from tempering.sampling.kernels.mass import LOG2_E, moments
from tempering.sampling.kernels.philox import first_uniforms, gumbel_at
from tempering.sampling.kernels.pick import gumbel_among, gumbel_of_row
from tempering.sampling.kernels.reading import Room, Row, read, weighed
from tempering.sampling.kernels.select import count_within, masked_above
from tempering.sampling.mirostat import first_mu
from tempering.sampling.noise import COIN, INVERSE, Keys
from tempering.sampling.penalties import Context, ContextLike, contexts_of, dry, penalise
from tempering.sampling.plan import Plan, rate_of
from tempering.sampling.rows import checked_rows, native

Ids = NDArray[np.int64]
MANY = 8192
"""Tokens from which on they are drawn from in place, without a list of their ids."""

OF_SUMS = frozenset({"top_p", "typical_p", "epsilon", "eta", "p_less", "mirostat"})
"""Rules that ask for sums over the row."""

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

    @cached_property
    def u(self) -> NDArray[np.float64]:
        """One uniform number a row, for the draw by one."""
        return self.uniforms(INVERSE)

    def key(self, row: int) -> tuple[np.uint64, np.uint64, np.uint64]:
        """Return the key of a row's noise."""
        return self.keys.seeds[row], self.keys.sequences[row], self.keys.steps[row]


def scanned(rows: NDArray[np.floating], logits: ArrayLike) -> list[Row]:
    """Read every row once.

    Raises:
        LogitsError: as ``checked_rows``, by which it is raised.
    """
    room = Room(rows.shape[1])
    return [read(row, room) or _refuse(logits) for row in rows]


def _refuse(logits: ArrayLike) -> Row:
    """Raise the error that names the first row that must not be sampled."""
    checked_rows(logits)
    raise AssertionError("the loops and the definitions agree on which rows are fit")


def cut_of(row: Row, plan: Plan, params: SamplingParams, mu: float) -> Cut:
    """Return where the first rule cuts a row."""
    if plan.first == "top_k":
        return top_k(row, params.top_k, params.ties)
    if plan.first == "top_p":
        return top_p(row, params.top_p, plan.temperature, params.top_p_edge)
    if plan.first == "typical_p":
        return typical(row, params.typical_p, plan.temperature)
    value = mu if plan.first == "mirostat" else getattr(params, str(plan.first))
    return threshold(row, str(plan.first), value, plan.temperature)


def reduced_draw(logits: ArrayLike, drawing: Drawing, context: ContextLike) -> Draws | None:
    """Draw a token a row; None if the rows must go the plain way. A row is done with before the next one is read.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: contexts do not fit the rows.
    """
    given = native(logits)
    if given is None:
        return None
    params, plan, t, room = drawing.params, drawing.plan, drawing.params.temperature, Room(given.shape[1])
    seen = contexts_of(context, len(given))
    changed = _penalised(logits, drawing, seen)
    drawn = Draws(np.empty(len(given), np.int64), *np.full((3, len(given)), math.nan))
    onwards: list[tuple[Ids, NDArray[np.floating]]] = []
    for i, logits_of_row in enumerate(given if changed is None else changed):
        row = read(logits_of_row, room, _weighed_at(drawing)) or _refuse(logits if changed is None else changed)
        if plan.first is None:
            _whole(row, i, drawing, drawn)
            continue
        cut = cut_of(row, plan, params, first_mu(params) if seen[i].mu is None else float(seen[i].mu or 0.0))
        if plan.simple and 0 < t < math.inf:
            _among(row, cut, i, drawing, drawn)
            continue
        ids = ids_within(row, cut)
        if len(ids) > WIDEST:
            return None
        onwards.append((ids, row.logits[ids]))
    if onwards:
        _onwards(onwards, drawing, seen, drawn)
    if drawing.facts:
        for i, (row, token) in enumerate(zip(given, drawn.tokens, strict=True)):
            best = float(row.max())
            drawn.raw_logprobs[i] = float(row[token]) - best - math.log(moments(row, best, LOG2_E)[0])
    return drawn


def _weighed_at(drawing: Drawing) -> float | None:
    """Return the temperature at which sums over a row are wanted; None if there are none."""
    summing = drawing.inverse if drawing.plan.first is None else drawing.plan.first in OF_SUMS
    return drawing.plan.temperature if summing else None


def _penalised(logits: ArrayLike, drawing: Drawing, seen: list[Context]) -> NDArray[np.float64] | None:
    """Return the rows after the penalties, float64; None if there are none."""
    done = drawing.plan.done & {"penalties", "dry"}
    if not done:
        return None
    changed, _ = checked_rows(logits)
    for step in (step for step in drawing.params.steps if step in done):
        changed = (penalise if step == "penalties" else dry)(changed, drawing.params, seen)
    return changed


def _whole(row: Row, i: int, drawing: Drawing, drawn: Draws) -> None:
    """Draw from a row of which nothing is cut."""
    t = drawing.params.temperature
    if t == 0:
        drawn.tokens[i], drawn.processed_logprobs[i], drawn.entropies[i] = first_best(row), 0.0, 0.0
        return
    left = np.flatnonzero(row.logits > -np.inf) if math.isinf(t) else None
    if not drawing.inverse:
        drawn.tokens[i] = gumbel_of_row(
            row.logits, row.maxima, row.best, rate_of(t), -math.inf, len(row.logits), *drawing.key(i)
        )
    elif left is not None:
        drawn.tokens[i] = left[int(drawing.u[i] * len(left))]
    else:
        drawn.tokens[i] = _inverse(row, t, drawing.u[i])
    if drawing.facts and left is not None:
        drawn.processed_logprobs[i], drawn.entropies[i] = -math.log(len(left)), math.log(len(left))
    elif drawing.facts:
        _note(row.logits, row, i, rate_of(t), drawn)


def _inverse(row: Row, temperature: float, u: float) -> int:
    """Return the token at which the running mass of a row exceeds u of all."""
    for weights in weighed(row, temperature):
        masses, wanted = weights.masses, u * weights.total
        found = inverse_of_row(row.logits, masses, row.best, weights.scale, weights.origin, wanted, weights.off)
        if found >= 0:
            return int(found)
    raise AssertionError("exact powers always tell")


def _note(kept: NDArray[np.floating], row: Row, at: int, rate: float, drawn: Draws) -> None:
    """Note log-probability and entropy of a row whose kept logits are these."""
    total, first = moments(kept, row.best, LOG2_E * rate)
    gap = float(row.logits[drawn.tokens[at]]) - row.best
    drawn.processed_logprobs[at] = gap * rate - math.log(total)
    drawn.entropies[at] = max(math.log(total) - first / (LOG2_E * total), 0.0)


def _among(row: Row, cut: Cut, i: int, drawing: Drawing, drawn: Draws) -> None:
    """Draw from the kept tokens of a row, where nothing but temperature is left to do."""
    rate = rate_of(drawing.params.temperature)
    in_place = not drawing.inverse and cut.ids is None and _many(row, cut)
    ids = np.empty(0, np.int64) if in_place and not drawing.facts else ids_within(row, cut)
    if in_place:
        z, maxima = row.logits, row.maxima
        if cut.top < math.inf:
            z, maxima = np.empty_like(row.logits), np.minimum(row.maxima, cut.top)
            masked_above(row.logits, cut.top, z)
            tied = ids_within(row, Cut(cut.top, len(row.logits), cut.top, len(row.logits)))
            z[tied[tied > cut.top_last]] = -np.inf
        token = gumbel_of_row(z, maxima, row.best, rate, cut.at, cut.last, *drawing.key(i))
    elif drawing.inverse:
        token = inverse_among(row.logits, ids, row.best, LOG2_E * rate, drawing.u[i])
    else:
        token = gumbel_among(row.logits, ids, row.best, rate, *drawing.key(i))
    drawn.tokens[i] = token
    if drawing.facts:
        _note(row.logits[ids], row, i, rate, drawn)


def _many(row: Row, cut: Cut) -> bool:
    """Whether a cut keeps so many tokens that drawing in place is cheaper than listing them."""
    return bool(count_within(row.logits, row.maxima, cut.at, cut.top) > MANY)


def _onwards(
    kept: list[tuple[Ids, NDArray[np.floating]]], drawing: Drawing, context: ContextLike, drawn: Draws
) -> None:
    """Let the plain definitions do the rest of the order on what the first rule has kept, ids and logits a row."""
    width = max(len(ids) for ids, _ in kept)
    scores, noise = np.full((len(kept), width), -np.inf), np.zeros((len(kept), width))
    for i, (ids, logits) in enumerate(kept):
        scores[i, : len(ids)] = logits
        if not drawing.inverse:
            gumbel_at(*drawing.key(i), ids, noise[i, : len(ids)])
    coins = drawing.uniforms(COIN)
    state = apply_steps(scores, (len(kept),), drawing.params, context=context, coins=coins, done=drawing.plan.done)
    if drawing.inverse:
        running = np.cumsum(np.exp(state.logprobs), axis=1)
        places = (running > drawing.u[:, None] * running[:, -1:]).argmax(axis=1)
    else:
        places = (state.logprobs + noise).argmax(axis=1)
    drawn.tokens[:] = [ids[place] for (ids, _), place in zip(kept, places, strict=True)]
    drawn.processed_logprobs[:] = state.logprobs[np.arange(len(kept)), places]
    drawn.entropies[:] = state.entropy
