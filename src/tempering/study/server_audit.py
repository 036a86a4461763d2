"""The audit of a server: what acts beside temperature, as far as it can be told without logits.

What is sent is known; what the server does with it and unasked is what its probe found; how many tokens are left and at
which T the bare model would be as random takes the logits, and is not known. Generates nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tempering.generation.completion import Completion
from tempering.params import SamplingParams
from tempering.study.audit import acting_settings


@dataclass(frozen=True)
class ServerAudit:
    """What is known of a server's settings.

    Attributes:
        acting: the settings beside temperature that are sent and act, by name.
        unsettable: what may act and cannot be switched off by a request, in words; empty where nothing is known of it.
        probed: whether the server was asked what it does.
        ignored: settings that act as sent but are refused or ignored, by name.
        defaults: settings that act where they are not sent, by name; "other defaults" where only that is known.
        moves: whether T was seen to act; None where it was not asked.
    """

    acting: dict[str, Any]
    unsettable: str = ""
    probed: bool = False
    ignored: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    moves: bool | None = None

    @property
    def warned(self) -> bool:
        """Whether something may cap or replace what T does."""
        return bool(self.unsettable or self.ignored) or self.moves is False


def server_audit(
    params: SamplingParams, details: Mapping[str, Any], probe: Mapping[str, Any] | None = None
) -> ServerAudit:
    """Return what is known of a server's settings.

    Args:
        params: what is sent, at any temperature.
        details: as ``TextInfo.details`` has them.
        probe: as ``Probe.as_dict`` has it; None if the server was not asked.

    Example:
        >>> server_audit(SamplingParams(top_p=0.9), {"cannot be set": "min_p is the preset's"}).acting
        {'top_p': 0.9}
    """
    acting, verdicts = acting_settings(params), {}
    for finding in (probe or {}).get("findings", ()):
        verdicts[str(finding["key"])] = str(finding["verdict"])
    acts = [key.removesuffix("_default") for key, verdict in verdicts.items() if verdict == "yes"]
    known = [name for name in acts if f"{name}_default" in verdicts and name != "temperature"]
    if verdicts.get("defaults_act") == "yes" and not known:
        known = ["other defaults"]
    moves = {"yes": True, "no": False}.get(verdicts.get("temperature_acts", ""))
    return ServerAudit(
        acting,
        str(details.get("cannot be set", "")),
        bool(probe),
        tuple(name for name in acting if verdicts.get(f"{name}_honoured") == "no"),
        tuple(known),
        moves,
    )


@dataclass(frozen=True)
class LeastLikely:
    """The least likely token that was drawn at one temperature, by its raw probability over that of the likeliest.

    Attributes:
        temperature: T.
        ratio: p / p_max at T = 1, in (0, 1].
        n: tokens looked at.
    """

    temperature: float
    ratio: float
    n: int


def least_likely(completions: Iterable[Completion]) -> LeastLikely | None:
    """Return the least likely token at the highest finite T; None where the server gives no raw logprobs of it.

    A hidden min-p of a before T leaves no token below a; one token below it shows that there is none.
    """
    served = [c for c in completions if c.served and c.served.kind == "raw" and c.served.top and c.served.logprobs]
    highest = max((c.params.temperature for c in served if math.isfinite(c.params.temperature)), default=None)
    gaps = [
        own - max(value for _, value in top)
        for c in served
        if c.params.temperature == highest and c.served
        for own, top in zip(c.served.logprobs or (), c.served.top or (), strict=False)
        if top
    ]
    return LeastLikely(highest, math.exp(min(0.0, *gaps)), len(gaps)) if highest is not None and gaps else None
