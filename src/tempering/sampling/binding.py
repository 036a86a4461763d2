"""What truncation does to a distribution: which rule binds, how much it drops, and from which T on. Arrays only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tempering.params import SamplingParams, switches
from tempering.sampling.distribution import process
from tempering.sampling.penalties import ContextLike
from tempering.sampling.rows import Mask, checked_rows

LOWEST, HIGHEST, STEPS_OF_T = 0.1, 4.0, 14
EVERYWHERE = "at every T"
PRECISION = 0.01
"""How finely a temperature at which a rule begins or ends to bind is told, as a share of it."""


@dataclass(frozen=True)
class RuleReport:
    """One rule among the others, at the settings' own temperature; means over rows.

    Attributes:
        rule: its step.
        alone: tokens that it would keep alone.
        removed: tokens that it removes in its turn, of those that the rules before it have left.
        dropped: mass that it removes in its turn, of the untruncated distribution at T.
        decides: share of the rows in which the kept set is the one that it keeps alone.
        idle: share of the rows in which leaving it out would change nothing.
    """

    rule: str
    alone: float
    removed: float
    dropped: float
    decides: float
    idle: float


@dataclass(frozen=True)
class Span:
    """Temperatures at which the same rules bind in most rows.

    Attributes:
        low: where it begins.
        high: where it ends.
        decides: the rules that alone give the kept set in most rows; empty if several cut together.
        idle: the rules that could be left out in most rows.
    """

    low: float
    high: float
    decides: tuple[str, ...]
    idle: tuple[str, ...]


@dataclass(frozen=True)
class TruncationReport:
    """What is kept, what is dropped, and what binds.

    Attributes:
        temperature: the settings' own.
        n: how many rows were looked at.
        kept: tokens kept, mean over rows.
        dropped: mass dropped at T, mean over rows.
        rules: one a rule that is on, in the order in which they act.
        spans: over temperatures from 0.1 to 4, rising, without gaps; empty without a rule.
    """

    temperature: float
    n: int
    kept: float
    dropped: float
    rules: tuple[RuleReport, ...]
    spans: tuple[Span, ...]

    def sentences(self) -> list[str]:
        """Return the spans in words, one line a rule.

        Example:
            >>> z = [4.0, 3.0, 2.0, 1.0, 0.0]
            >>> truncation_report(z, SamplingParams(min_p=0.2, top_k=3)).sentences()
            ['top-k decides above T=1.24; inactive below T=1.86', 'min-p decides below T=1.86; inactive above T=1.24']
        """
        return [self._sentence(item.rule) for item in self.rules]

    def _sentence(self, rule: str) -> str:
        shown = rule.replace("_", "-")
        decides = _where([(span.low, span.high, rule in span.decides) for span in self.spans])
        idle = _where([(span.low, span.high, rule in span.idle) for span in self.spans])
        # A rule that changes nothing anywhere gives the kept set "alone" only because nothing is cut.
        said = [f"decides {decides}"] if decides and idle != EVERYWHERE else []
        said += [f"inactive {idle}"] if idle else []
        return f"{shown} " + ("; ".join(said) if said else "cuts together with others at every T")


def _where(spans: list[tuple[float, float, bool]]) -> str:
    """Return in words at which temperatures something holds; empty for nowhere."""
    merged: list[list[float]] = []
    for low, high, holds in spans:
        if holds and merged and merged[-1][1] == low:
            merged[-1][1] = high
        elif holds:
            merged.append([low, high])
    words = []
    for low, high in merged:
        if low == LOWEST and high == HIGHEST:
            return EVERYWHERE
        if low == LOWEST:
            words.append(f"below T={high:.2f}")
        elif high == HIGHEST:
            words.append(f"above T={low:.2f}")
        else:
            words.append(f"from T={low:.2f} to {high:.2f}")
    return " and ".join(words)


def truncation_report(logits: ArrayLike, params: SamplingParams, context: ContextLike = None) -> TruncationReport:
    """Return which rule of the settings binds on some rows, how much it drops, and from which T on.

    A rule decides a row if the kept set is the one that it keeps alone; it is idle if leaving it out changes nothing.
    XTC is looked at as if its coin always fell.

    Args:
        logits: shape [..., vocab].
        params: the settings.
        context: earlier tokens, for the penalties.

    Raises:
        LogitsError: a row must not be sampled.

    Example:
        >>> report = truncation_report([3.0, 2.0, 1.0, 0.0], SamplingParams(top_k=3, min_p=0.2))
        >>> report.kept, [(rule.rule, rule.removed) for rule in report.rules]
        (2.0, [('top_k', 1.0), ('min_p', 1.0)])
    """
    rows, _ = checked_rows(logits)
    if params.xtc_probability:
        params = replace(params, xtc_probability=1.0)
    rules = [
        s for s in params.steps if s in set(params.active_steps()) - {"penalties", "dry", "smoothing", "temperature"}
    ]
    kept = process(rows, params, context).keep
    mass = np.exp(process(rows, _only(params, set()), context).logprobs)
    reports, left = [], ~np.isneginf(rows)
    found = _binding(rows, params, rules, context)
    for place, rule in enumerate(rules):
        after = process(rows, _only(params, set(rules[: place + 1])), context).keep
        gone = left & ~after
        alone = process(rows, _only(params, {rule}), context).keep
        reports.append(
            RuleReport(
                rule=rule,
                alone=float(alone.sum(axis=1).mean()),
                removed=float(gone.sum(axis=1).mean()),
                dropped=float(np.where(gone, mass, 0).sum(axis=1).mean()),
                decides=float(found[rule][0].mean()),
                idle=float(found[rule][1].mean()),
            )
        )
        left = after
    return TruncationReport(
        temperature=params.temperature,
        n=len(rows),
        kept=float(kept.sum(axis=1).mean()),
        dropped=float(np.where(kept, 0, mass).sum(axis=1).mean()),
        rules=tuple(reports),
        spans=_spans(rows, params, rules, context) if rules else (),
    )


def _only(params: SamplingParams, rules: set[str]) -> SamplingParams:
    """Return the settings with these rules alone, temperature and penalties as they are."""
    stay = rules | {"penalties", "dry", "smoothing", "temperature"}
    off: dict[str, Any] = {
        name: getattr(_OFF, name) for step in params.active_steps() if step not in stay for name in switches(step)
    }
    return replace(params, **off)


_OFF = SamplingParams()


def _binding(
    rows: NDArray[np.float64], params: SamplingParams, rules: list[str], context: ContextLike
) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return for each rule in which rows it decides, and in which it is idle."""

    def kept(some: set[str]) -> Mask:
        return process(rows, _only(params, some), context).keep

    whole = kept(set(rules))
    return {
        rule: ((kept({rule}) == whole).all(axis=1), (kept(set(rules) - {rule}) == whole).all(axis=1)) for rule in rules
    }


_State = tuple[tuple[str, ...], tuple[str, ...]]


def _spans(
    rows: NDArray[np.float64], params: SamplingParams, rules: list[str], context: ContextLike
) -> tuple[Span, ...]:
    """Return where in T the same rules bind in most rows: a grid, then the changes between its points halved in."""
    seen: dict[float, _State] = {}

    def state(t: float) -> _State:
        if t not in seen:
            found = _binding(rows, replace(params, temperature=t), rules, context)
            decides = tuple(rule for rule in rules if found[rule][0].mean() > 0.5)
            seen[t] = decides, tuple(rule for rule in rules if found[rule][1].mean() > 0.5)
        return seen[t]

    def changes(low: float, high: float) -> list[float]:
        if state(low) == state(high):
            return []
        if high - low < PRECISION * high:
            return [(low + high) / 2]
        middle = (low + high) / 2
        return changes(low, middle) + changes(middle, high)

    grid = np.geomspace(LOWEST, HIGHEST, STEPS_OF_T).tolist()
    edges = [LOWEST, *(t for low, high in pairwise(grid) for t in changes(low, high)), HIGHEST]
    return tuple(Span(low, high, *state((low + high) / 2)) for low, high in pairwise(edges))
