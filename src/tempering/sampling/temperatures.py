"""Many temperatures at once: log Z, coupled draws, and the token at every T. Arrays only."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams
from tempering.sampling.draw import draw
from tempering.sampling.forks import Envelope, envelope, fork_scores, refuse_moving_sets
from tempering.sampling.noise import gumbel_of, keys_of
from tempering.sampling.penalties import ContextLike
from tempering.sampling.plan import pays
from tempering.sampling.rows import checked_rows, native

Values = NDArray[np.float64]


def log_z(logits: ArrayLike, temperatures: ArrayLike) -> Values:
    """Return log Z(T), the log of the sum of exp(z / T), at many temperatures.

    Temperatures that are evenly spaced in 1 / T cost two exponentials a token and one product for each T.

    Args:
        logits: shape [..., vocab].
        temperatures: K of them, in (0, inf), shape [K].

    Returns:
        Shape [..., K], nats.

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: a temperature is not in (0, inf).

    Example:
        >>> log_z([0.0, 0.0, 0.0, 0.0], [0.5, 1.0]).round(4)
        array([1.3863, 1.3863])
    """
    rates = 1 / _temperatures(temperatures, 0, math.inf)
    shape = np.shape(logits)
    if shape and pays(shape[-1]) and len(rates):
        from tempering.sampling.kernels.temperatures import masses_on_grid  # noqa: PLC0415 - loads the compiler
        from tempering.sampling.reduce import scanned  # noqa: PLC0415

        if (given := native(logits)) is not None:
            rows = scanned(given, logits)
            sums = np.empty((len(rows), len(rates)))
            runs = _even_runs(rates)
            for out, row in zip(sums, rows, strict=True):
                for begin, end, step in runs:
                    masses_on_grid(row.logits, row.maxima, row.best, rates[begin], step, out[begin:end])
            best = np.array([row.best for row in rows])
            return np.asarray(np.log(sums) + best[:, None] * rates).reshape(*shape[:-1], len(rates))
    checked, leading = checked_rows(logits)
    best = checked.max(axis=1, keepdims=True)
    gaps = checked - best
    # One temperature at a time: all at once would hold rows x K x vocab numbers.
    sums = (
        np.stack([np.exp(gaps * rate).sum(axis=1) for rate in rates], axis=1)
        if len(rates)
        else np.empty((len(gaps), 0))
    )
    return np.asarray(np.log(sums) + best * rates).reshape(*leading, len(rates))


def _even_runs(rates: Values) -> list[tuple[int, int, float]]:
    """Return one run for evenly spaced rising rates, else one for each rate: begin, end, spacing."""
    steps = np.diff(rates)
    if len(steps) and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-9, atol=0):
        return [(0, len(rates), float(steps.mean()))]
    return [(at, at + 1, 0.0) for at in range(len(rates))]


def envelope_of(scores: ArrayLike, highest: float, *, seed: int, sequence: int = 0, step: int = 0) -> Envelope:
    """Return the token drawn at every temperature up to the highest, with the noise of ``draw``.

    The same as ``forks.envelope`` with the row's Gumbel noise, of which only what can matter is made.

    Args:
        scores: logits of one row, shape [vocab]; -inf never wins.
        highest: the largest temperature, finite, >= 0.
        seed: of the noise.
        sequence: which text.
        step: which place in the text.

    Raises:
        LogitsError: the row must not be sampled.
        ParameterError: ``highest`` is negative or not finite, or a key is outside its range.

    Example:
        >>> envelope_of([2.0, 1.0, 0.5], 3.0, seed=7).tokens.tolist()
        [0]
    """
    if not 0 <= highest < math.inf:
        raise ParameterError(f"highest temperature must be finite and >= 0, got {highest}", field="highest")
    shape, keys = np.shape(scores), keys_of(seed, sequence, step, (1,))
    if len(shape) == 1 and highest > 0 and pays(shape[-1]):
        from tempering.sampling.kernels.cuts import first_best  # noqa: PLC0415 - loads the compiler
        from tempering.sampling.kernels.temperatures import rivals  # noqa: PLC0415
        from tempering.sampling.reduce import scanned  # noqa: PLC0415

        if (given := native(scores)) is not None:
            [row] = scanned(given, scores)
            ids, noise = np.empty(shape[0] + 1, np.int64), np.empty(shape[0] + 1)  # two ends, also of a row of one
            first = first_best(row)
            key = keys.seeds[0], keys.sequences[0], keys.steps[0]
            count = rivals(row.logits, row.maxima, row.best, first, highest, *key, ids, noise)
            rising = np.argsort(ids[:count])
            ids, noise = ids[rising], noise[rising]
            found = envelope(row.logits[ids], noise, highest)
            return Envelope(ids[found.tokens], found.edges)
    [checked] = checked_rows(scores)[0]
    return envelope(checked, gumbel_of(keys, len(checked))[0], highest)


def draw_at(
    logits: ArrayLike,
    temperatures: ArrayLike,
    params: SamplingParams | None = None,
    *,
    seed: int | None = None,
    sequence: ArrayLike = 0,
    step: ArrayLike = 0,
    context: ContextLike = None,
) -> NDArray[np.int64]:
    """Draw one token a row at each of many temperatures, with the same noise: what ``draw`` gives one by one.

    Where the kept set does not move with T, the tokens are read off the row's upper envelope, whatever K is.

    Args:
        logits: shape [..., vocab].
        temperatures: K of them, in [0, inf], shape [K].
        params: the other settings.
        seed: in [0, 2**64); ``params.seed`` unless given.
        sequence: which text, one number or one a row.
        step: which place in the text, one number or one a row.
        context: earlier tokens, for the penalties.

    Returns:
        Token ids, int64, shape [..., K].

    Raises:
        LogitsError: a row must not be sampled.
        ParameterError: a temperature is negative or NaN, or a key is outside its range.

    Example:
        >>> draw_at([2.0, 1.0, 0.5], [0, 1, 5], seed=7, sequence=2)
        array([0, 2, 2])
    """
    params, shape = params or SamplingParams(), np.shape(logits)[:-1]
    grid = _temperatures(temperatures, -1, math.inf)
    seed = params.seed if seed is None else seed
    out = np.empty((*shape, len(grid)), dtype=np.int64)
    finite = np.isfinite(grid)
    try:
        refuse_moving_sets(params)
        lines = bool(finite.any())
    except ParameterError:
        lines = False
    if lines:
        bare = set(params.active_steps()) <= {"temperature"}
        rows = (
            np.reshape(np.asarray(logits), (-1, np.shape(logits)[-1])) if bare else fork_scores(logits, params, context)
        )
        keys = keys_of(seed, sequence, step, shape).each()
        flat = out.reshape(-1, len(grid))
        highest = float(grid[finite].max())
        for place, (row, (own, text, at)) in enumerate(zip(rows, keys, strict=True)):
            found = envelope_of(row, highest, seed=own, sequence=text, step=at)
            flat[place, finite] = found.tokens[np.searchsorted(found.edges, grid[finite], side="left")]
    for k in np.flatnonzero(~finite if lines else np.ones(len(grid), dtype=np.bool_)):
        setting = replace(params, temperature=float(grid[k]))
        out[..., k] = draw(logits, setting, seed=seed, sequence=sequence, step=step, context=context)
    return out


def _temperatures(values: ArrayLike, above: float, most: float) -> Values:
    grid = np.asarray(values, dtype=np.float64)
    inside = (grid > above) & (grid < most) if above == 0 else (grid >= 0)
    if grid.ndim != 1 or not inside.all():
        limits = "(0, inf)" if above == 0 else "[0, inf]"
        raise ParameterError(f"temperatures must be a list of numbers in {limits}", field="temperatures")
    return grid
