"""The audit as a reader sees it: in words, and as a box of the page. Says what the settings beside temperature do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tempering.report.numbers import interval, number, temperature
from tempering.report.parts import table
from tempering.report.untrusted import escaped
from tempering.study.audit import ALONE, AS_SET, Audit, AuditRow
from tempering.study.server_audit import LeastLikely, ServerAudit, least_likely, server_audit

if TYPE_CHECKING:
    from tempering.study.results import StudyResults


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


def _acts(audit: Audit | ServerAudit) -> str:
    return "acts" if len(audit.acting) == 1 else "act"


def named(settings: Mapping[str, Any]) -> str:
    """Return settings as a list in words.

    Example:
        >>> named({"top_k": 50, "min_p": 0.05})
        'top_k 50 and min_p 0.05'
    """
    parts = [f"{name} {value:g}" for name, value in settings.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def server_cap_in_words(audit: ServerAudit) -> str:
    """Return the warning that a server may cap or replace what T does; empty if nothing speaks for it."""
    found = []
    if audit.moves is False:
        found.append("no effect of T was seen")
    if audit.ignored:
        found.append(f"{' and '.join(audit.ignored)} is sent and not honoured")
    if audit.unsettable:
        found.append(f"what no request can switch off may act beside it: {audit.unsettable}")
    return f"Temperature may not do what it says on this server: {'; '.join(found)}." if found else ""


def server_audit_in_words(audit: ServerAudit, least: LeastLikely | None = None) -> list[str]:
    """Return what is known of a server's settings, a sentence each, and what cannot be known."""
    found = [cap] if (cap := server_cap_in_words(audit)) else []
    if audit.acting:
        found.append(f"{named(audit.acting)} {_acts(audit)} beside temperature, as sent.")
    else:
        found.append("Nothing is sent that acts beside temperature: every field that the server takes is sent as off.")
    if audit.defaults:
        found.append(
            f"Where they are left out, defaults act ({', '.join(audit.defaults)}): your own client must send them too."
        )
    elif audit.probed:
        found.append("No default was seen to act where fields are left out.")
    else:
        found.append("Which defaults act where fields are left out was not asked; tempering doctor finds out.")
    if least:
        found.append(
            f"Of {least.n:,} tokens drawn at T = {temperature(least.temperature)} the least likely has "
            f"{number(least.ratio)} of the likeliest one's probability at T = 1: no min_p above that acts before T."
        )
    found.append(
        "Not known, as a server gives no logits: how many tokens are kept, and at which T the bare model would be as "
        "random. With the same weights here, tempering read reads the temperature off its texts."
    )
    return found


def audit_section(results: StudyResults) -> str:
    """Return the audit of a run as HTML: measured where the model ran here, in words for a server."""
    if results.audit:
        return audit_box(results.audit)
    if results.paired:
        return ""
    audit = audit_of_run(results)
    return "".join(
        f"<p{' class=warning' if audit.warned and not index else ''}>{escaped(sentence)}</p>"
        for index, sentence in enumerate(server_audit_in_words(audit, least_likely(results.completions)))
    )


def cap_of_run(results: StudyResults) -> str:
    """Return the warning that something caps temperature in a run; empty if nothing does, as far as is known."""
    if results.audit:
        return cap_in_words(results.audit)
    return "" if results.paired else server_cap_in_words(audit_of_run(results))


def audit_of_run(results: StudyResults) -> ServerAudit:
    """Return what is known of the settings of the server that wrote a run."""
    return server_audit(results.plan.params_at(1.0), results.manifest.model_details, results.manifest.probe)


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
