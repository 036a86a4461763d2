"""The audit as a reader sees it: in words, and as a box of the page. Says what the settings beside temperature do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tempering.report.numbers import interval, number, temperature
from tempering.report.parts import table
from tempering.report.untrusted import escaped
from tempering.study.audit import ALONE, AS_SET, Audit, AuditRow


def cap_in_words(audit: Audit) -> str:
    """Return the warning that the study's own settings cap temperature; empty if they do not."""
    if not audit.capped:
        return ""
    first, last = audit.capped[0], audit.capped[-1]
    kept = f"{number(last.kept.value)} of {audit.vocabulary:,} tokens are kept"
    since = "" if first is last else f" It is felt from T = {temperature(first.temperature)} on."
    return (
        f"Temperature is capped: {named(audit.acting)} {_acts(audit)} beside it, and at "
        f"T = {temperature(last.temperature)} this setup is as random as T = {_equivalent(last)} with nothing else; "
        f"{kept} on average (n = {last.equivalent.n} steps of {last.equivalent.clusters} {audit.unit}).{since}"
    )


def audit_in_words(audit: Audit) -> list[str]:
    """Return what the audit found, a sentence each: what acts, what it does, what an engine's defaults would do."""
    found = []
    if not audit.acting:
        found.append("Nothing acts on the distribution but temperature.")
    elif cap := cap_in_words(audit):
        found.append(cap)
    else:
        found.append(f"{named(audit.acting)} {_acts(audit)} beside temperature; T keeps its reach.")
    for engine, unsent in audit.defaults.items():
        rows = [row for row in audit.of(f"{engine} with its defaults") if 0 < row.temperature < math.inf]
        if unsent and rows:
            last = rows[-1]
            found.append(
                f"Elsewhere: {engine} and what is built on it would add {named(unsent)}, before temperature, unless "
                f"told otherwise: T = {temperature(last.temperature)} would be as random as T = {_equivalent(last)}."
            )
    return found


def _acts(audit: Audit) -> str:
    return "acts" if len(audit.acting) == 1 else "act"


def named(settings: Mapping[str, Any]) -> str:
    """Return settings as a list in words.

    Example:
        >>> named({"top_k": 50, "min_p": 0.05})
        'top_k 50 and min_p 0.05'
    """
    parts = [f"{name} {value:g}" for name, value in settings.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def audit_box(audit: Audit) -> str:
    """Return the audit as HTML: its sentences, and a table of every setup at every temperature."""
    warned = bool(audit.capped)
    sentences = "".join(
        f"<p{' class=warning' if warned and not index else ''}>{escaped(sentence)}</p>"
        for index, sentence in enumerate(audit_in_words(audit))
    )
    own, alone = audit.of(AS_SET), audit.of(ALONE)
    others = [name for name in dict.fromkeys(row.setup for row in audit.rows) if name not in {AS_SET, ALONE}]
    shown = ([AS_SET] if audit.acting else []) + others
    head = ["T", *(f"{escaped(setup)}:<br>as random as T" for setup in shown), *_both("tokens kept", audit)]
    head += _both("entropy, nats", audit)
    rows = []
    for place, row in enumerate(own):
        bare = alone[place]
        cells = [_cell(audit.of(setup)[place]) for setup in shown]
        kept = [number(r.kept.value) for r in ((row, bare) if audit.acting else (bare,))]
        entropy = [
            f"{number(r.entropy.value)} <span class=note>{interval(r.entropy.low, r.entropy.high)}</span>"
            for r in ((row, bare) if audit.acting else (bare,))
        ]
        rows.append([temperature(row.temperature), *cells, *kept, *entropy])
    n, units = own[0].entropy.n, own[0].entropy.clusters
    note = (
        f'<p class="note">Measured on {n} real steps of {units} {audit.unit}, along texts '
        "that the model wrote at T = 1 with nothing else. “As random as” is the T at which the bare model has the same "
        "mean entropy over these steps, with its 95 % interval over these. tempering draws by itself, so no engine's "
        "default acts here.</p>"
    )
    return sentences + table("Audit", head, rows) + note


def _both(what: str, audit: Audit) -> list[str]:
    """Return the heads of a quantity with and without the settings that act; one head where none does."""
    return [f"{what},<br>as set", f"{what},<br>T alone"] if audit.acting else [what]


def _cell(row: AuditRow) -> str:
    return f"<span{' class=capped' if row.capped else ''}>{_equivalent(row)}</span>"


def _equivalent(row: AuditRow) -> str:
    known = row.equivalent
    if known.low == known.high or math.isinf(known.value):
        return temperature(known.value)
    return f"{number(known.value)} {interval(known.low, known.high)}"
