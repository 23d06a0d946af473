# SPDX-License-Identifier: Apache-2.0
"""How a Kubernetes Status is compared: its shape whole, its causes by field and reason."""

from collections.abc import Awaitable
from typing import Any

import pytest

from tests.plugins.kube import Refused
from tests.plugins.objects import Object

UNCHECKED = ("<nil>", "FieldValueInvalid")
"""The cause that the API server adds when faults of the schema kept it from looking at the CEL rules."""


def causes(status: Object) -> list[tuple[str, str]]:
    """Field and reason of each cause, in the server's order."""
    return [(cause["field"], cause["reason"]) for cause in status["details"]["causes"]]


def about(status: Object) -> Object:
    """A Status without its message and causes."""
    details = {key: value for key, value in status.get("details", {}).items() if key != "causes"}
    return {key: value for key, value in status.items() if key != "message"} | {"details": details}


def failure(code: int, reason: str, **details: str) -> Object:
    """What `about` makes of a refusal."""
    status: Object = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure"}
    return status | {"reason": reason, "code": code, "details": details}


def invalid(kind: str, name: str) -> Object:
    """What `about` makes of our kinds' schema refusals."""
    return failure(422, "Invalid", group="castwarden.dev", kind=kind, name=name)


async def refusal(call: Awaitable[Any]) -> Object:
    """The Status that `call` is refused with; its code is the HTTP status. Fails when the call succeeds."""
    with pytest.raises(Refused) as refused:
        await call
    status: Object = refused.value.status
    assert status["code"] == refused.value.code
    return status
