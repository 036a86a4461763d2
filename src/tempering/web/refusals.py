"""Errors in the form that OpenAI's clients read. Knows HTTP statuses; knows nothing of routes."""

from __future__ import annotations

from typing import Any

from tempering.errors import ChatTemplateError, ParameterError, PromptError, StoreError, TemperingError, UsageError


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request that is answered with an error.

    Attributes:
        status: of HTTP.
        message: what happened and what to do.
        kind: OpenAI's ``type``.
        param: the field at fault, if one is.
        code: OpenAI's ``code``, if there is one.
        headers: to send with it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers = headers or {}

    def as_dict(self) -> dict[str, Any]:
        """Return the body of the answer.

        Example:
            >>> Refusal(404, "no such model", code="model_not_found").as_dict()["error"]["code"]
            'model_not_found'
        """
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def refusal_of(problem: Exception) -> Refusal:
    """Return the answer for an error of the library; what is not one of its own is told without its inside.

    Example:
        >>> refusal_of(ParameterError("temperature must be in [0, inf], got -1", field="temperature")).param
        'temperature'
    """
    if isinstance(problem, Refusal):
        return problem
    if isinstance(problem, ParameterError):
        return Refusal(400, str(problem), param=problem.field, code="invalid_value")
    if isinstance(problem, PromptError):
        code = "context_length_exceeded" if "context" in str(problem) else "invalid_value"
        return Refusal(400, str(problem), param="prompt", code=code)
    if isinstance(problem, ChatTemplateError):
        return Refusal(400, str(problem), param="messages", code="no_chat_template")
    if isinstance(problem, UsageError):
        return Refusal(400, str(problem), code="invalid_request")
    message = str(problem) if isinstance(problem, TemperingError) else "an unexpected error; the server's log has it"
    code = "run_unreadable" if isinstance(problem, StoreError) else "server_error"
    return Refusal(500, message, kind="server_error", code=code)


def ending() -> Refusal:
    """Return the answer for a request that is open, or comes, while the server ends."""
    return Refusal(503, "the server is ending", kind="server_error", code="server_ending")


def too_busy(waiting: int) -> Refusal:
    """Return the answer for a request that finds the queue full."""
    return Refusal(
        429,
        f"the queue is full: {waiting} texts wait; try again later",
        kind="rate_limit_error",
        code="queue_full",
        headers={"Retry-After": "1"},
    )
