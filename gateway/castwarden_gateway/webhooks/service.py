# SPDX-License-Identifier: Apache-2.0
"""The rules between the routes and the rows: which URLs may be registered, what a bound endpoint allows, pings."""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from asyncpg import Record
from castwarden_base.http import BlockedAddress, InvalidUrl
from castwarden_base.ids import uuid7
from castwarden_base.settings import Network
from castwarden_model.events import CATALOGUE

from castwarden_gateway.db import Connection, Database
from castwarden_gateway.http.etags import IfMatch
from castwarden_gateway.http.operations import Operation
from castwarden_gateway.http.problems import Conflict, FieldError, InvalidRequest
from castwarden_gateway.outbound.client import Client
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.webhooks import checks, store
from castwarden_gateway.webhooks.claim import Claim
from castwarden_gateway.webhooks.columns import already, columns
from castwarden_gateway.webhooks.controls import Controls
from castwarden_gateway.webhooks.deliver import attempt
from castwarden_gateway.webhooks.errors import EndpointIsBound, found, refuse_disabled
from castwarden_gateway.webhooks.models import EndpointCreate, EndpointPatch
from castwarden_gateway.webhooks.payloads import StoredEvent
from castwarden_gateway.webhooks.replays import Replays
from castwarden_gateway.webhooks.send import Answer
from castwarden_gateway.webhooks.signing import Signer, active
from castwarden_gateway.webhooks.statistics import Statistics

PING = "webhook.ping"


class KeyAlreadyShown(Conflict):
    code, title = "signing-key-already-shown", "The signing key was shown before"


class KeyOfInstallation(Conflict):
    code, title = "signing-key-of-installation", "The signing key is set for the whole installation"


class Webhooks:
    """What the API can do with webhooks of one tenant. Raises Problems."""

    def __init__(
        self,
        database: Database,
        client: Client,
        signer: Signer,
        allow: Iterable[Network] = (),
        hosts: Iterable[str] = (),
        retention_days: int = 30,
    ) -> None:
        self._database = database
        self._client = client
        self._signer = signer
        self._receivers = Receivers(allow, hosts)
        self.controls = Controls(database, signer)
        self.replays = Replays(database, retention_days)
        self.statistics = Statistics(database, retention_days)

    def check(self, url: str, pointer: str = "/url") -> None:
        """Raises InvalidRequest when deliveries to this URL are refused for what it says."""
        try:
            self._receivers.check(url)
        except (InvalidUrl, BlockedAddress) as error:
            refused = FieldError(str(error), pointer)
            raise InvalidRequest("The URL cannot be used; see errors.", errors=[refused]) from error

    async def create(self, tenant_id: UUID, wanted: EndpointCreate, operation: Operation) -> tuple[Record, str | None]:
        """The row and the secret, which is never told again; v1a has none to tell."""
        values = wanted.model_dump()
        self.check(wanted.url)
        checks.check(values)
        key, row_values = self._signer.new_key(wanted.signature, tenant_id), columns(values, self._signer, tenant_id)
        row = await self._database.of(tenant_id).retry(
            lambda connection: store.insert_endpoint(connection, tenant_id, operation.id, key, row_values)
        )
        return row, self._signer.shown(row)  # of the run that inserted it

    async def endpoints(self, tenant_id: UUID, before: UUID | None, limit: int) -> list[Record]:
        return await self._database.of(tenant_id).retry(
            lambda connection: store.endpoints(connection, tenant_id, before, limit)
        )

    async def endpoint(self, tenant_id: UUID, id_: UUID) -> Record:
        return found(
            await self._database.of(tenant_id).retry(lambda connection: store.endpoint(connection, tenant_id, id_))
        )

    async def update(
        self, tenant_id: UUID, id_: UUID, patch: EndpointPatch, if_match: IfMatch, operation: Operation
    ) -> Record:
        changes = patch.changes()
        if "url" in changes:
            self.check(changes["url"])
            await self._refuse_bound(tenant_id, id_, "Change webhookUrl of the Monitor instead.")

        async def work(connection: Connection) -> Record:
            row = found(await store.lock_endpoint(connection, tenant_id, id_))
            checks.check(changes, public_key=row["public_key"])
            if operation.resumed and already(row, changes, self._signer):
                return row  # by the run before
            if_match.require(version_of(row))
            wanted = columns(changes, self._signer, tenant_id)
            return found(await store.update_endpoint(connection, tenant_id, id_, wanted))

        return await self._database.of(tenant_id).run(work)

    async def delete(self, tenant_id: UUID, id_: UUID, if_match: IfMatch) -> None:
        async def work(connection: Connection) -> None:
            row = found(await store.lock_endpoint(connection, tenant_id, id_))
            if_match.require(version_of(row))
            await store.delete_endpoint(connection, tenant_id, id_)

        await self._refuse_bound(tenant_id, id_, "Remove webhookUrl from the Monitor instead.")
        await self._database.of(tenant_id).run(work)

    async def ping(self, tenant_id: UUID, id_: UUID, operation: Operation) -> Answer:
        """Sends a `webhook.ping` once and says what came of it; nothing is stored."""
        row = await self.endpoint(tenant_id, id_)
        key = await self._database.of(tenant_id).retry(lambda connection: store.signing_key(connection, tenant_id))
        answer, _ = await attempt(self._client, self._signer, _ping(tenant_id, row, key, operation.id))
        return answer

    async def deliveries(
        self, tenant_id: UUID, endpoint_id: UUID | None, state: str | None, before: UUID | None, limit: int
    ) -> list[Record]:
        return await self._database.of(tenant_id).retry(
            lambda connection: store.deliveries(connection, tenant_id, endpoint_id, state, before, limit)
        )

    async def delivery(self, tenant_id: UUID, id_: UUID) -> tuple[Record, list[Record]]:
        """A delivery and its attempts, oldest first."""

        async def work(connection: Connection) -> tuple[Record, list[Record]]:
            row = found(await store.delivery(connection, tenant_id, id_))
            return row, await store.attempts(connection, tenant_id, id_)

        return await self._database.of(tenant_id).retry(work)

    async def resend(self, tenant_id: UUID, id_: UUID, operation: Operation) -> Record:
        """Sends it again; the row of the delivery under which it goes out."""

        async def work(connection: Connection) -> Record:
            async def again() -> str:
                old = found(await store.delivery(connection, tenant_id, id_))
                await refuse_disabled(connection, tenant_id, old["endpoint_id"])
                return str(await store.resend(connection, tenant_id, old))

            sent_as = UUID(await operation.once(connection, again))
            return found(await store.delivery(connection, tenant_id, sent_as))

        return await self._database.of(tenant_id).run(work)

    async def recover(self, tenant_id: UUID, endpoint_id: UUID, since: datetime, operation: Operation) -> int:
        """Puts the endpoint's dead deliveries since then back into the queue; how many those are."""

        async def work(connection: Connection) -> int:
            async def revive() -> int:
                await refuse_disabled(connection, tenant_id, endpoint_id)
                return await store.revive(connection, tenant_id, endpoint_id, since)

            return await operation.once(connection, revive)

        return await self._database.of(tenant_id).run(work)

    async def signing_key(self, tenant_id: UUID) -> tuple[str, Record | None]:
        """Where the key of Monitors' webhookUrls comes from, and its row when it is the tenant's own."""
        if self._signer.installation_key is not None:
            return "installation", None
        row = await self._database.of(tenant_id).retry(lambda connection: store.signing_key(connection, tenant_id))
        return ("none" if row is None else "tenant"), row

    async def show_signing_key(self, tenant_id: UUID, rotate: bool, operation: Operation) -> tuple[str, datetime]:
        """The tenant's key in the clear, once; `rotate` makes a new one."""
        if self._signer.installation_key is not None:
            raise KeyOfInstallation("Ask whoever runs the gateway for WEBHOOK_SIGNING_KEY.")
        keyring = self._signer.keyring

        async def work(connection: Connection) -> Record | None:
            async def show() -> bool:
                if rotate:
                    return bool(await store.replace_signing_key(connection, keyring, tenant_id))
                return await store.show_signing_key(connection, keyring, tenant_id) is not None

            shown = await operation.once(connection, show)
            return await store.signing_key(connection, tenant_id) if shown else None

        row = await self._database.of(tenant_id).run(work)
        if row is None:
            raise KeyAlreadyShown('It is shown once. Send {"rotate": true} for a new one.')
        return keyring.open(row["secret"], tenant_id.bytes), row["created_at"]

    async def _refuse_bound(self, tenant_id: UUID, id_: UUID, hint: str) -> None:
        row = await self.endpoint(tenant_id, id_)
        if row["resource_uid"] is not None:
            raise EndpointIsBound(hint)


def version_of(endpoint: Record) -> str:
    """Changes with what its owner can change, not with what becomes of deliveries."""
    return f"{endpoint['id'].hex[-8:]}-{round(endpoint['updated_at'].timestamp() * 1e6)}"


def _ping(tenant_id: UUID, endpoint: Record, key: Record | None, id_: UUID) -> Claim:
    now = datetime.now(UTC)
    event = StoredEvent(
        id=id_,
        type=PING,
        kind="WebhookEndpoint",
        namespace="",
        name=str(endpoint["id"]),
        uid=str(endpoint["id"]),
        occurred_at=now,
        data=CATALOGUE[PING].example,
        metadata={},
        source_url="",
    )
    return Claim(
        tenant_id=tenant_id,
        id=uuid7(),
        event_id=event.id,
        endpoint_id=endpoint["id"],
        attempt=0,
        created_at=now,
        waited_seconds=0.0,
        url=endpoint["url"],
        profile=endpoint["profile"],
        payload=endpoint["payload"],
        retry=endpoint["retry"],
        timeout_seconds=endpoint["timeout_seconds"],
        max_in_flight=endpoint["max_in_flight"],
        secret=endpoint["secret"],
        tenant_key=key["secret"] if key else None,
        event=event,
        old_secrets=[secret for secret, _ in active(endpoint)],
        headers=endpoint["headers"],
        client_certificate=endpoint["client_certificate"],
    )
