"""What ran: format, versions, model. Kept beside the plan in every run folder."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tempering._version import __version__

FORMAT = 1


class RunManifest(BaseModel):
    """The circumstances of a run.

    Attributes:
        format: the version of the run folder's format; another one is refused, never guessed at.
        tempering: the version of the library.
        model: the identity of the model: its name and a hash of its weights.
        model_details: what the model says of itself (parameters, vocabulary, context, ...).
        probe: what the server was found to do with its settings, as ``Probe.as_dict``; None for a model that runs here.
        fingerprint: what tells a server's weights from others under the same name, see ``fingerprint_of``; empty for a
            model that runs here.
        created: when the run was begun, UTC, ISO 8601.
        command: what was typed to begin it; empty if a program began it.
        python: the version of Python.
        platform: the operating system and machine.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    tempering: str = __version__
    model: str
    model_details: dict[str, str | int | float] = Field(default_factory=dict)
    probe: dict[str, Any] | None = None
    fingerprint: dict[str, str] = Field(default_factory=dict)
    created: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    command: str = ""
    python: str = Field(default_factory=platform.python_version)
    platform: str = Field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
