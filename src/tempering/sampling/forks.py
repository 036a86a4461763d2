"""Which token wins at which temperature under shared noise: the upper envelope of lines. Arrays only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.errors import ParameterError
from tempering.params import SamplingParams, switches
from tempering.sampling.distribution import process
from tempering.sampling.penalties import ContextLike
from tempering.sampling.rows import Rows

FIXED_SETS = frozenset({"penalties", "dry", "top_k", "top_n_sigma"})
"""Steps whose outcome does not depend on T wherever they stand."""


@dataclass(frozen=True)
class Envelope:
    """The winning tokens of one row, from T = 0 up.

    Attributes:
        tokens: the winners in order, shape [segments].
        edges: fork temperatures, shape [segments - 1], rising: token i wins for edges[i - 1] < T <= edges[i]; the first
            wins from T = 0 on.
    """

    tokens: NDArray[np.int64]
    edges: NDArray[np.float64]

    def at(self, temperature: float) -> int:
        """Return the token drawn at a temperature.

        Example:
            >>> envelope([2.0, 1.0], [0.0, 0.5], 3.0).at(2.5)
            1
        """
        return int(self.tokens[np.searchsorted(self.edges, temperature, side="left")])


def envelope(scores: ArrayLike, noise: ArrayLike, highest: float) -> Envelope:
    """Return the upper envelope of the lines scores + T * noise over 0 <= T <= highest.

    The draw is argmax(z / T + g) = argmax(z + T g), so each token is a line in T and the winner changes only where two
    lines cross. From the winner at T = 0 (first argmax of z) only tokens of larger noise can take over, so the walk
    looks at fewer tokens with every fork.

    Args:
        scores: logits after penalties, shape [vocab]; -inf never wins.
        noise: Gumbel noise, shape [vocab].
        highest: the largest temperature, finite, >= 0.

    Returns:
        Winners and the exact temperatures at which they change. At a fork temperature itself both tokens are equally
        good; which one a plain draw returns there is decided by rounding.

    Raises:
        ParameterError: ``highest`` is negative or not finite.

    Example:
        >>> found = envelope([3.0, 2.0, 0.0], [0.0, 1.0, 2.5], 4.0)
        >>> found.tokens.tolist(), found.edges.round(3).tolist()
        ([0, 1, 2], [1.0, 1.333])
    """
    if not 0 <= highest < math.inf:
        raise ParameterError(f"highest temperature must be finite and >= 0, got {highest}", field="highest")
    z, g = np.asarray(scores, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    winner, now = int(z.argmax()), 0.0
    tokens, edges = [winner], list[float]()
    rivals = np.flatnonzero((g > g[winner]) & (z > -np.inf))
    while rivals.size:
        with np.errstate(over="ignore"):
            crossing = (z[winner] - z[rivals]) / (g[rivals] - g[winner])
        first = max(float(crossing.min()), now)  # rounding may put a crossing just before the last one
        if first >= highest:
            break
        at_first = rivals[crossing <= first]
        winner, now = int(at_first[g[at_first].argmax()]), first
        if edges and edges[-1] == now:
            tokens[-1] = winner  # the segment before it would be empty
        else:
            tokens.append(winner)
            edges.append(now)
        rivals = rivals[g[rivals] > g[winner]]
    return Envelope(np.array(tokens), np.array(edges))


def fork_scores(logits: ArrayLike, params: SamplingParams, context: ContextLike = None) -> Rows:
    """Return scores before T, -inf outside the kept set, shape [rows, vocab], for a kept set that T does not move.

    Raises:
        ParameterError: a truncation that depends on T stands after temperature in the order, so that the winner is
            not an envelope of lines; the message names it.
    """
    refuse_moving_sets(params)
    # At T = 1 with the temperature step in its place: the kept set is the same at every T.
    state = process(logits, SamplingParams(**params.as_dict() | {"temperature": 1.0}), context)
    return np.where(state.keep, state.ranking, -np.inf)


def refuse_moving_sets(params: SamplingParams) -> None:
    """Check that no active truncation after temperature depends on T.

    Raises:
        ParameterError: one does; the message names it.

    Example:
        >>> refuse_moving_sets(SamplingParams(top_p=0.9, order="llama.cpp"))
        >>> refuse_moving_sets(SamplingParams(top_p=0.9))
        Traceback (most recent call last):
        tempering.errors.ParameterError: top_p after temperature keeps another set at every T, so ...
    """
    if unfit := [step for step in params.active_steps() if step in {"smoothing", "xtc", "mirostat"}]:
        raise ParameterError(f"forks are not defined under {unfit[0]}: leave it out", field=switches(unfit[0])[0])
    if params.temperature_moves:
        raise ParameterError("forks are not defined where T follows the entropy: leave it out", field="temperature")
    after = params.steps[params.steps.index("temperature") + 1 :]
    if moving := [step for step in params.active_steps() if step in after and step not in FIXED_SETS]:
        raise ParameterError(
            f"{moving[0]} after temperature keeps another set at every T, so forks are not defined by lines; "
            "leave it out, or use an order with temperature last, such as llama.cpp",
            field=moving[0],
        )
