# SPDX-License-Identifier: Apache-2.0
"""Seals anew, with the newest key, whatever of webhooks an older key sealed."""

from castwarden_base.logs import get_logger

from castwarden_gateway.db import Connection, statements
from castwarden_gateway.webhooks.secrets import Keyring, UnreadableSecret

SQL = statements(__file__)
log = get_logger(__name__)


async def reseal(connection: Connection, keyring: Keyring) -> None:
    """What no key opens stays, for the key may come back."""
    for row in await connection.fetch(SQL.sealed_secrets):
        if keyring.is_current(row["secret"]):
            continue
        try:
            secret = keyring.open(row["secret"], row["tenant_id"].bytes)
        except UnreadableSecret as error:
            log.error("webhook_secret_unreadable", what=row["what"], id=str(row["id"]), error=str(error))
            continue
        statement = SQL.by_name[f"reseal_{row['what']}"]
        await connection.execute(statement, row["id"], keyring.seal(secret, row["tenant_id"].bytes), row["secret"])
