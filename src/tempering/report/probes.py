"""What a server does with its settings, as a reader of a study sees it. Arranges the probe; asks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tempering.report.parts import table
from tempering.report.untrusted import escaped


def probe_box(probe: Mapping[str, Any]) -> str:
    """Return the probe of a server as HTML: how it was asked, and question, verdict and answer of each finding.

    Args:
        probe: as ``Probe.as_dict`` gives it and the manifest of a run keeps it.
    """
    rows = [[escaped(str(finding[key])) for key in ("question", "verdict", "answer")] for finding in probe["findings"]]
    asked = f"Asked before the study, with {int(probe['requests'])} texts"
    return (
        f"<p>{asked}: what {escaped(str(probe['engine']))} does with the settings that it is sent, and what it does "
        "unasked.</p>" + table("What the server does", ["question", "", "answer"], rows)
    )
