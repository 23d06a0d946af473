# SPDX-License-Identifier: Apache-2.0
"""What the gateway's answers mean to a worker, split by what to do next."""

import os
import ssl

import aiohttp


class WorkerError(Exception):
    """Base of this package's errors."""


class Unavailable(WorkerError):
    """The gateway did not answer, or not yet: try again later."""


class Away(Unavailable):
    """The gateway could not be reached at all: that is everybody's trouble in this process."""


class Refused(WorkerError):
    """The gateway will never take this report: drop it and say so."""


class Gone(WorkerError):
    """The resource is no longer there: end."""


class Fenced(WorkerError):
    """Another worker has taken over: end."""


def in_words(error: Exception) -> str:
    """What went wrong on the way to a server, as a person would say it."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return str(error) or type(error).__name__
    cause, port = error.os_error, "" if error.port in (80, 443) else f":{error.port}"
    known = isinstance(cause.errno, int) and cause.errno > 0 and not isinstance(cause, ssl.SSLError)
    reason = os.strerror(cause.errno or 0) if known else cause.strerror or str(cause)
    return f"cannot reach {error.host}{port}: {reason[:1].lower()}{reason[1:]}"
