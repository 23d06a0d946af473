# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the operator, split by what the caller should do about it."""


class OperatorError(Exception):
    """Base of the operator's errors."""


class LeaseLostError(OperatorError):
    """Another replica may lead now: stop writing and end the process."""


class RetryError(OperatorError):
    """This key cannot be brought to its spec now. `after`: the shortest wait, in seconds, that the server asked for."""

    def __init__(self, message: str, *, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class NameTakenError(OperatorError):
    """A child's name is used by an object that is not ours. A person must rename or delete one of the two."""


class ApiError(OperatorError):
    """The API server answered with an error, or (status 0) not at all. The message is in its own words."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message or reason or f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    @property
    def refused(self) -> bool:
        """The server understood the request and said no: repeating it soon is pointless."""
        return 400 <= self.status < 500 and self.status not in (401, 404, 408, 409, 429)
