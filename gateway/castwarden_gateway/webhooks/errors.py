# SPDX-License-Identifier: Apache-2.0
"""Problems of more than one part of the webhooks' API."""

from asyncpg import Record

from castwarden_gateway.http.problems import Conflict, NotFound


class EndpointIsBound(Conflict):
    code, title = "webhook-endpoint-bound", "The endpoint belongs to a Monitor"


class EndpointIsDisabled(Conflict):
    code, title = "webhook-endpoint-disabled", "The endpoint is disabled"


def found(row: Record | None) -> Record:
    """Raises NotFound."""
    if row is None:
        raise NotFound("There is no such endpoint, delivery or replay.")
    return row
