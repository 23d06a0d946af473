# SPDX-License-Identifier: Apache-2.0
"""Tells of downloads whose Job gave up. A worker tells of a failure itself only when it knows that no try can help;
when the tries run out, or the worker never ran, the operator's condition `Failed` is the only sign of it.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

from castwarden_base.ids import derived_uuid7
from castwarden_base.logs import get_logger
from castwarden_model.messages import DownloadFailure, DownloadObservation, Report, ResourceRef
from castwarden_model.resources import DownloadJob

from castwarden_gateway.db import Database, DatabaseUnavailable
from castwarden_gateway.facts import store
from castwarden_gateway.facts.errors import Fenced, InvalidReport
from castwarden_gateway.facts.taker import Taker, ref_of
from castwarden_gateway.kube.cache import Cache

log = get_logger(__name__)
_RETRY_SECONDS = 2.0


class Endings:
    """`run()` follows the cache of DownloadJobs until it is cancelled."""

    def __init__(self, database: Database, downloads: Cache, taker: Taker) -> None:
        self._db = database
        self._downloads = downloads
        self._taker = taker
        self._failed: asyncio.Queue[DownloadJob] = asyncio.Queue()

    async def run(self) -> None:
        self._downloads.subscribe(self._noticed)
        while True:
            download = await self._failed.get()
            try:
                await self._tell(download)
            except DatabaseUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
                self._failed.put_nowait(download)
            except (Fenced, InvalidReport) as error:
                log.warning("ending_not_told", download=download.metadata.name, reason=str(error))

    def _noticed(self, _: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        status = (after or {}).get("status", {})
        given_up = any(one["type"] == "Failed" and one["status"] == "True" for one in status.get("conditions", ()))
        if after is not None and given_up and status.get("state") not in ("Complete", "Failed"):
            self._failed.put_nowait(DownloadJob.model_validate(after))

    async def _tell(self, download: DownloadJob) -> None:
        """As a report would, under an id that no repeat changes."""
        ref: ResourceRef = ref_of(download)
        known = (await self._db.retry(lambda connection: store.read(connection, [ref.uid]))).get(ref.uid)
        failure = failure_of(download, known.status.get("error") if known else None)
        report = Report(
            id=derived_uuid7(datetime.fromtimestamp(0, UTC), ref.uid, "job-failed"),
            resource=ref,
            pod=known.pod if known else "",
            epoch=known.epoch if known else 0,
            seq=known.seq if known else -1,
            download=DownloadObservation(failure=failure),
        )
        await self._taker.take(report, download)


def failure_of(download: DownloadJob, last_error: str | None) -> DownloadFailure:
    """Why it failed: what the last try said, which tells more than that the tries ran out."""
    condition = next(one for one in download.status.conditions if one.type == "Failed")
    if last_error:
        reason, _, message = last_error.partition(": ")
        return DownloadFailure(reason=reason, message=f"{message} ({condition.message})", final=True)
    return DownloadFailure(reason=condition.reason, message=condition.message, final=True)
