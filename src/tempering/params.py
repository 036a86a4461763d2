"""The settings of a draw. Knows ranges and names; knows nothing of arrays, models or text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from tempering.errors import ParameterError
from tempering.orders import ENGINES, STEPS, Edge

ORDERS: Mapping[str, tuple[str, ...]] = {name: order.steps for name, order in ENGINES.items()}
"""The steps of each named order; see ``tempering.orders`` for the rest of its specification."""

TIES = ("id", "all")
EXPLICIT_EDGE: Edge = "reach"
"""What top-p does in an order that is given by its steps."""


def _setting(default: Any, low: float, high: float, bounds: str, text: str, *, whole: bool = False) -> Any:
    """Declare a numeric field: its default (which is "off" except for temperature), its range and its meaning."""
    return field(
        default=default,
        metadata={"low": low, "high": high, "bounds": bounds, "text": text, "whole": whole},
    )


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How a token is drawn from logits; frozen and validated. Every rule is off by default.

    Attributes:
        temperature: divides the logits; 0 is greedy, ``inf`` is uniform over what is kept. Range [0, inf].
        top_k: keep the k most likely tokens; 0 is off. Whole, >= 0.
        top_p: keep the smallest prefix of the sorted tokens with at least this mass; 1 is off. Range (0, 1].
        min_p: keep tokens with at least this share of the most likely token's probability; 0 is off. Range [0, 1].
        typical_p: keep the tokens nearest to the entropy that together hold this mass; 1 is off. Range (0, 1].
        top_n_sigma: keep logits within n standard deviations of the largest; 0 is off. Range [0, inf).
        epsilon: keep tokens with at least this probability; 0 is off. Range [0, 1).
        eta: keep tokens with p >= min(eta, sqrt(eta) exp(-entropy)); 0 is off. Range [0, 1).
        top_h: grow the ranked set while its entropy is at most this share of the whole entropy; 0 is off. Range [0, 1].
        p_less: 1 keeps tokens with p >= the sum of all p^2; 0 is off. Whole, 0 or 1.
        xtc_probability: how often the top choices are excluded; 0 is off. Range [0, 1].
        xtc_threshold: a top choice has at least this probability. Range (0, 1].
        mirostat_tau: the surprise in bits that mirostat v2 steers to; 0 is off. Range [0, inf).
        mirostat_eta: how fast it steers. Range (0, inf).
        dynatemp_range: T moves by this much around ``temperature``, up with the entropy; 0 is off. Range [0, inf).
        dynatemp_exponent: of the entropy's share of its maximum. Range (0, inf).
        edt_theta: T becomes temperature * 0.8^(theta / entropy); 0 is off. Range [0, inf).
        smoothing_factor: quadratic smoothing of the logits before T; 0 is off. Range [0, inf).
        smoothing_curve: 1 is a parabola, more adds a cubic part. Range [1, 3].
        repetition_penalty: divides (or, if negative, multiplies) the logits of tokens seen in prompt or text; 1 is off.
            Range (0, inf).
        frequency_penalty: subtracted once for each time the token was generated; 0 is off. Range [-inf, inf] exclusive.
        presence_penalty: subtracted once if the token was generated at all; 0 is off. Range [-inf, inf] exclusive.
        dry_multiplier: penalty on a token that would continue a repeated passage; 0 is off. Range [0, inf).
        dry_base: it grows by this factor with every further token of the passage. Range [1, inf).
        dry_allowed_length: a passage up to this length goes unpunished. Whole, >= 0.
        ties: what top-k keeps of tokens tied at its edge: ``id`` (the lower ids, exactly k) or ``all``.
        order: the name of an order (see ``tempering.params.ORDERS``) or an explicit sequence of steps.
        seed: the seed of all noise. Whole, 0 <= seed < 2**64.

    Raises:
        ParameterError: a field is outside its range; the message names the field and the range.

    Example:
        >>> SamplingParams(temperature=0.8, top_p=0.95).top_p
        0.95
        >>> SamplingParams(temperature=-1)
        Traceback (most recent call last):
        tempering.errors.ParameterError: temperature must be in [0, inf], got -1
    """

    temperature: float = _setting(1.0, 0, math.inf, "[]", "divides the logits; 0 is greedy")
    top_k: int = _setting(0, 0, math.inf, "[)", "keep the k most likely tokens; 0 is off", whole=True)
    top_p: float = _setting(1.0, 0, 1, "(]", "keep the smallest set with this mass; 1 is off")
    min_p: float = _setting(0.0, 0, 1, "[]", "keep p >= min_p times the largest p; 0 is off")
    typical_p: float = _setting(1.0, 0, 1, "(]", "keep the locally typical set with this mass; 1 is off")
    top_n_sigma: float = _setting(0.0, 0, math.inf, "[)", "keep logits within n deviations of the largest; 0 is off")
    epsilon: float = _setting(0.0, 0, 1, "[)", "keep p >= epsilon; 0 is off")
    eta: float = _setting(0.0, 0, 1, "[)", "keep p >= min(eta, sqrt(eta) exp(-entropy)); 0 is off")
    top_h: float = _setting(0.0, 0, 1, "[]", "grow the set up to this share of the entropy; 0 is off")
    p_less: int = _setting(0, 0, 1, "[]", "1 keeps p >= the sum of all squared p; 0 is off", whole=True)
    xtc_probability: float = _setting(0.0, 0, 1, "[]", "how often the top choices are excluded; 0 is off")
    xtc_threshold: float = _setting(0.1, 0, 1, "(]", "a top choice for xtc has at least this p")
    mirostat_tau: float = _setting(0.0, 0, math.inf, "[)", "the surprise in bits to steer to; 0 is off")
    mirostat_eta: float = _setting(0.1, 0, math.inf, "()", "how fast mirostat steers")
    dynatemp_range: float = _setting(0.0, 0, math.inf, "[)", "T moves by this around it with the entropy; 0 is off")
    dynatemp_exponent: float = _setting(1.0, 0, math.inf, "()", "of the entropy's share of its maximum")
    edt_theta: float = _setting(0.0, 0, math.inf, "[)", "T times 0.8^(theta / entropy); 0 is off")
    smoothing_factor: float = _setting(0.0, 0, math.inf, "[)", "quadratic smoothing before T; 0 is off")
    smoothing_curve: float = _setting(1.0, 1, 3, "[]", "1 is a parabola, more adds a cubic part")
    repetition_penalty: float = _setting(1.0, 0, math.inf, "()", "divides the logits of seen tokens; 1 is off")
    frequency_penalty: float = _setting(0.0, -math.inf, math.inf, "()", "subtracted per earlier use; 0 is off")
    presence_penalty: float = _setting(0.0, -math.inf, math.inf, "()", "subtracted once if used before; 0 is off")
    dry_multiplier: float = _setting(0.0, 0, math.inf, "[)", "penalty on continuing a repeat; 0 is off")
    dry_base: float = _setting(1.75, 1, math.inf, "[)", "its growth with every further token of the repeat")
    dry_allowed_length: int = _setting(2, 0, math.inf, "[)", "repeats up to this length are free", whole=True)
    ties: str = "id"
    order: str | tuple[str, ...] = "transformers"
    seed: int = _setting(0, 0, 2**64, "[)", "the seed of all noise", whole=True)

    def __post_init__(self) -> None:
        for name, low, high, bounds, whole in _ranges():
            value = _number(name, getattr(self, name), whole)
            above = value >= low if bounds[0] == "[" else value > low
            below = value <= high if bounds[1] == "]" else value < high
            if not (above and below):
                limits = f"{bounds[0]}{low:g}, {high:g}{bounds[1]}" if high != 2**64 else "[0, 2**64)"
                raise ParameterError(f"{name} must be in {limits}, got {getattr(self, name)}", field=name)
            object.__setattr__(self, name, value)
        if not isinstance(self.order, str):
            object.__setattr__(self, "order", tuple(self.order))
        self._check_order()

    def _check_order(self) -> None:
        if self.ties not in TIES:
            raise ParameterError(f"ties must be id or all, got {self.ties!r}", field="ties")
        if self.dynatemp_range > 0 and self.edt_theta > 0:
            raise ParameterError("dynatemp_range and edt_theta both set the temperature: use one", field="edt_theta")
        if isinstance(self.order, str):
            if self.order not in ORDERS:
                raise ParameterError(f"order must be one of {', '.join(ORDERS)}, got {self.order!r}", field="order")
        elif unknown := [step for step in self.order if step not in STEPS]:
            raise ParameterError(f"order has no step {unknown[0]!r}; steps are {', '.join(STEPS)}", field="order")
        elif len(set(self.order)) != len(self.order) or "temperature" not in self.order:
            raise ParameterError("order must name each step at most once, and temperature", field="order")
        if left_out := [step for step in self.active_steps() if step not in self.steps]:
            raise ParameterError(f"{left_out[0]} is set but the order leaves it out", field=left_out[0])

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the order, first to last."""
        return ORDERS[self.order] if isinstance(self.order, str) else self.order

    @property
    def joint(self) -> frozenset[str]:
        """The rules that look at the same probabilities; empty for an explicit order."""
        return ENGINES[self.order].joint if isinstance(self.order, str) else frozenset()

    @property
    def top_p_edge(self) -> Edge:
        """What top-p does with the token at its edge."""
        return ENGINES[self.order].top_p_edge if isinstance(self.order, str) else EXPLICIT_EDGE

    @property
    def temperature_moves(self) -> bool:
        """Whether T depends on the entropy of the row."""
        return self.dynatemp_range > 0 or self.edt_theta > 0

    @property
    def looks_back(self) -> bool:
        """Whether the distribution depends on the tokens before."""
        return not {"penalties", "dry", "mirostat"}.isdisjoint(self.active_steps())

    def active_steps(self) -> Iterator[str]:
        """Yield the steps that are switched on, temperature always among them.

        Example:
            >>> list(SamplingParams(temperature=0.5, min_p=0.1).active_steps())
            ['temperature', 'min_p']
        """
        return iter(self._active)

    @cached_property
    def _active(self) -> tuple[str, ...]:
        """The steps that are switched on: asked for several times a token."""
        return tuple(
            step
            for step in STEPS
            if step == "temperature" or any(getattr(self, name) != _DEFAULTS[name] for name in switches(step))
        )

    def as_dict(self) -> dict[str, Any]:
        """Return every field as JSON-ready values (an infinite temperature as the string ``"inf"``)."""
        values = asdict(self)
        if math.isinf(self.temperature):
            values["temperature"] = "inf"
        if not isinstance(self.order, str):
            values["order"] = list(self.order)
        return values


def switches(step: str) -> tuple[str, ...]:
    """Return the fields that switch a step on; its other fields only shape it.

    Example:
        >>> switches("xtc"), switches("min_p")
        (('xtc_probability',), ('min_p',))
    """
    return _SWITCHES.get(step, (step,))


_SWITCHES = {
    "penalties": ("repetition_penalty", "frequency_penalty", "presence_penalty"),
    "dry": ("dry_multiplier",),
    "smoothing": ("smoothing_factor",),
    "xtc": ("xtc_probability",),
    "mirostat": ("mirostat_tau",),
}


def _number(name: str, value: object, whole: bool) -> float | int:
    """Return a field's value as its Python type; NaN, text, booleans and fractions of whole fields are refused."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
        exact = int(value) if whole else number  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
        exact = math.nan
    if math.isnan(number) or (whole and exact != value and float(exact) != number):
        kind = "a whole number" if whole else "a number"
        raise ParameterError(f"{name} must be {kind}, got {value!r}", field=name)
    result: float | int = exact
    return result


def _ranges() -> Iterator[tuple[str, float, float, str, bool]]:
    for item in fields(SamplingParams):
        if meta := item.metadata:
            yield item.name, meta["low"], meta["high"], meta["bounds"], meta["whole"]


_DEFAULTS: dict[str, Any] = {item.name: item.default for item in fields(SamplingParams)}
