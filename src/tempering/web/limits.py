"""How much one client, and all together, may ask of a server. Knows numbers only."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tempering.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server; beyond them a request is refused with the HTTP status named.

    Attributes:
        batch: texts that are written together; more wait.
        queue: texts that may wait (429).
        body: bytes of a request (413).
        prompt: characters of a prompt or conversation (422).
        n: texts of one request (422).
        max_tokens: tokens of one text (422).
        stops: stop strings of one request (422).
        connections: open connections; one more is closed at once.
        patience: seconds that a client has for the head of a request, and again for its body (408).

    Raises:
        ParameterError: a limit is not above 0 (the queue may be 0).
    """

    batch: int = 32
    queue: int = 128
    body: int = 1_000_000
    prompt: int = 100_000
    n: int = 16
    max_tokens: int = 4096
    stops: int = 16
    connections: int = 512
    patience: float = 10.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value, least = getattr(self, item.name), 0 if item.name == "queue" else 1e-3
            if not value >= least:
                raise ParameterError(f"{item.name} must be above 0, got {value}", field=item.name)
