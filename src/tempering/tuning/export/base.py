"""What an exporter is, and what must hold of every one: the target does what was measured, or the export refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from tempering.errors import ExportError
from tempering.params import ORDERS, SamplingParams
from tempering.sampling.equivalence import translate

PENALTIES = {"repetition_penalty": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
"""Penalties and their values when off."""


@dataclass(frozen=True)
class Rendered:
    """Settings as an engine reads them.

    Attributes:
        text: of the file.
        warnings: what the user must know or do, a sentence each.
    """

    text: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exporter:
    """One form of one engine's settings.

    Attributes:
        name: of the target, as the command line knows it.
        title: what it is, for a reader.
        filename: what the file is usually called.
        order: the name of the order that the engine has; None where the file says the order, or the engine's is not
            known.
        render: settings in, text out.
        parse: the text back in; the settings mean the same distribution as those rendered.
        merge: a file that is there, and the rendered text: what the file becomes; the text alone unless given.
    """

    name: str
    title: str
    filename: str
    order: str | None
    render: Callable[[SamplingParams], Rendered]
    parse: Callable[[str], SamplingParams]
    merge: Callable[[str, str], str] = lambda old, new: new  # noqa: ARG005


def fitted(
    params: SamplingParams, target: str, order: str, supports: frozenset[str]
) -> tuple[SamplingParams, list[str]]:
    """Return settings that mean the same under a target's order, and what was changed.

    Args:
        params: as they were measured.
        target: the engine's name, for messages.
        order: the name of its order.
        supports: steps and penalties that it knows.

    Raises:
        ExportError: it lacks a rule that is in use, or no setting of its order is the same.

    Example:
        >>> found, notes = fitted(SamplingParams(temperature=2, min_p=0.3), "x", "llama.cpp", frozenset({"min_p"}))
        >>> round(found.min_p, 3), len(notes)
        (0.09, 1)
    """
    check_supported(params, target, supports)
    check_supported(params, target, supports)
    found = translate(params, order)
    if not found.exact:
        raise ExportError(
            f"{target} applies its steps in the order of {order}, these settings were measured in that of "
            f"{_order_name(params)}, and no setting there is the same; measure again with tempering tune --for {target}"
        )
    moved = found.params
    changed = [rule for rule in ("min_p", "top_p", "top_k") if getattr(moved, rule) != getattr(params, rule)]
    return moved, [f"{r} {getattr(params, r):g} is {getattr(moved, r):.6g} in the order of {order}" for r in changed]


def check_supported(params: SamplingParams, target: str, supports: frozenset[str]) -> None:
    """Check that a target knows every rule in use.

    Raises:
        ExportError: it does not; the message names the rule.
    """
    off = SamplingParams()
    rules = [item.name for item in fields(SamplingParams) if item.name not in {"temperature", "order", "seed"}]
    used = [name for name in rules if getattr(params, name) != getattr(off, name)]
    if lacking := [rule for rule in used if rule not in supports]:
        raise ExportError(f"{target} cannot be told {lacking[0]} {getattr(params, lacking[0])}")
    if math.isinf(params.temperature):
        raise ExportError(f"{target} cannot be told an infinite temperature")


def check_temperature(params: SamplingParams, target: str, *, lowest: float, highest: float) -> None:
    """Check that a target takes the temperature as it is; 0 is greedy everywhere.

    Raises:
        ExportError: it would be refused or silently changed.
    """
    t = params.temperature
    if t and not lowest <= t <= highest:
        raise ExportError(f"{target} takes 0 or temperatures from {lowest:g} to {highest:g}, not {t:g}")


def known_order(params: SamplingParams) -> SamplingParams:
    """Return the settings with the name of an order where their steps are those of one."""
    for name, steps in ORDERS.items():
        if params.steps == steps:
            return replace(params, order=name)
    return params


def _order_name(params: SamplingParams) -> str:
    order = known_order(params).order
    return order if isinstance(order, str) else " > ".join(order)
