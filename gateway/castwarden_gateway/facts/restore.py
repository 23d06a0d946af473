# SPDX-License-Identifier: Apache-2.0
"""After a start: what was taken but not yet written to `status` is written now."""

from collections.abc import Iterator, Sequence

from castwarden_gateway.db import Database
from castwarden_gateway.facts import store
from castwarden_gateway.kube.resources import Resources
from castwarden_gateway.kube.status import StatusWriter

_CHUNK = 50  # a status may have 64 KiB


async def restore(database: Database, resources: Resources, statuses: StatusWriter) -> None:
    """Submits the status of every resource there is. The writer leaves out what the API holds already."""
    uids = [found["metadata"]["uid"] for kind in resources.kinds for found in kind.cache]
    for chunk in _chunks(uids):
        known = await database.retry(lambda connection, chunk=chunk: store.read(connection, chunk))  # type: ignore[misc]
        for one in known.values():
            if one.status:
                statuses.submit(one.ref, one.status)


def _chunks(uids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(uids), _CHUNK):
        yield list(uids[start : start + _CHUNK])
