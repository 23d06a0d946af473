# SPDX-License-Identifier: Apache-2.0
"""An endpoint's options as its row holds them: what is secret is sealed, and told apart from what may be shown."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from castwarden_gateway.webhooks import certificates
from castwarden_gateway.webhooks.secrets import UnreadableSecret
from castwarden_gateway.webhooks.signing import Signer

_SEALED = ("headers", "client_certificate")


def columns(values: Mapping[str, Any], signer: Signer, tenant_id: UUID) -> dict[str, Any]:
    """`values` (checked fields of EndpointCreate or EndpointPatch) as JSON by column."""

    def sealed(text: str | None) -> str | None:
        return None if text is None else as_json(signer.seal(text, tenant_id))

    found = {name: value for name, value in values.items() if name not in (*_SEALED, "signature")}
    if "headers" in values:
        headers: Mapping[str, str] = values["headers"]
        found["headers"] = sealed(orjson.dumps(headers).decode() if headers else None)
        found["header_names"] = list(headers)
    if "client_certificate" in values:
        given = values["client_certificate"]
        pem = None if given is None else certificates.joined(given)
        found["client_certificate"] = sealed(pem)
        found["certificate_info"] = None if pem is None else certificates.info(pem)
    if values.get("retry", "custom") != "custom":
        found["retry_waits"] = None
    return found


def as_json(data: bytes) -> str:
    """A bytea as PostgreSQL reads it from JSON."""
    return "\\x" + data.hex()


def already(row: Record, changes: Mapping[str, Any], signer: Signer) -> bool:
    """Whether the row is as `changes` want it."""
    wanted = columns(changes, signer, row["tenant_id"])
    plain = {name: value for name, value in wanted.items() if name not in _SEALED}
    if any(row[name] != value for name, value in plain.items()):
        return False
    if "headers" not in changes:
        return True
    try:
        opened = signer.keyring.open(row["headers"], row["tenant_id"].bytes) if row["headers"] else "{}"
    except UnreadableSecret:
        return False
    return bool(orjson.loads(opened) == changes["headers"])
