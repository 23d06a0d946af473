# SPDX-License-Identifier: Apache-2.0
"""Role download: fetches one media file with yt-dlp, puts it in place, tells progress, attempts and result."""

import asyncio
import errno
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from castwarden_base.http import OutboundError, check_url
from castwarden_base.ids import uuid7
from castwarden_base.logs import get_logger
from castwarden_model.messages import DownloadAssignment, DownloadAttempt, DownloadFailure, DownloadObservation
from castwarden_model.resources.downloadjob import DownloadJobSpec, DownloadProgress, DownloadResult
from yarl import URL

from ..budget import SPENT, Admission, turn
from ..children import ChildFailed, Json, child
from ..proxy import GuardedProxy
from ..shell import Work
from .embed import find_ffmpeg
from .files import Busy, Staging

log = get_logger(__name__)
PATIENCE_SECONDS = 600.0
"""How long to wait for the gateway at the end. A retry finds the finished file and tells of it then."""
FAILED_FOR_GOOD = 3
"""Exit code of a failure that no retry would mend: the Job's podFailurePolicy ends it at once."""
YOUTUBE_CLIENTS = ("android", "tv_embedded", "web", None)
"""In this order; None is yt-dlp's own choice."""
DISK_FULL = "disk_full"
_NO_OTHER_CLIENT_HELPS = (DISK_FULL, "blocked_address", "is_a_list", "is_live", "ffmpeg_missing", SPENT)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a child left in the staging folder."""

    file: str
    media_id: str
    title: str


class Failed(Exception):
    """The download did not succeed: what to report."""

    def __init__(self, failure: DownloadFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def download_media(work: Work) -> int:
    """One run. Exit code 0 once the result is reported, 3 for a reported failure that no retry would mend, else 1."""
    assignment = work.assignment
    if not isinstance(assignment, DownloadAssignment):
        log.error("wrong_assignment", kind=assignment.kind)
        return 1
    try:
        staging = await asyncio.to_thread(Staging.of, work.settings.download_dir, work.settings.uid)
    except (Busy, OSError) as error:
        return await _give_up(work, assignment, _failure_of(error))
    with closing(staging):
        try:
            result = await _result(work, assignment, staging)
        except (Failed, TimeoutError, OSError) as error:
            failure = _failure_of(error)
            if failure.reason == DISK_FULL:
                await asyncio.to_thread(staging.clear)  # others need the room more than a retry needs the beginning
            return await _give_up(work, assignment, failure)
        log.info("downloaded", path=result.path, bytes=result.bytes)
        await work.reporter.tell(assignment.epoch, download=DownloadObservation(result=result))
        if not await work.reporter.told(PATIENCE_SECONDS):
            return 1
        await asyncio.to_thread(staging.clear)
    return 0


async def _result(work: Work, assignment: DownloadAssignment, staging: Staging) -> DownloadResult:
    """What an earlier try left in place, or else what a download brings. Raises Failed, TimeoutError, OSError."""
    found = await asyncio.to_thread(staging.finished)
    if found is not None:
        return found
    async with asyncio.timeout(assignment.spec.timeout.total_seconds()):
        return await _Download(work, assignment, staging).run()


def clients_for(url: str) -> tuple[str | None, ...]:
    """The clients to try, one after the other."""
    host = (urlsplit(url).hostname or "").lower()
    youtube = any(host == site or host.endswith(f".{site}") for site in ("youtube.com", "youtu.be"))
    return YOUTUBE_CLIENTS if youtube else (None,)


def _failure(reason: str, message: str, *, final: bool = False) -> DownloadFailure:
    return DownloadFailure(reason=reason, message=message, final=final)


def _failure_of(error: Exception) -> DownloadFailure:
    """What to report of an error that ended the run."""
    if isinstance(error, Failed):
        return error.failure
    if isinstance(error, Busy):
        return _failure("already_running", str(error))
    if isinstance(error, TimeoutError):
        return _failure("timeout", "it took longer than spec.timeout")
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return _failure(DISK_FULL if full else "storage_error", str(error))


async def _give_up(work: Work, assignment: DownloadAssignment, failure: DownloadFailure) -> int:
    log.warning("download_failed", reason=failure.reason, message=failure.message, final=failure.final)
    await work.reporter.tell(assignment.epoch, download=DownloadObservation(failure=failure))
    told = await work.reporter.told(PATIENCE_SECONDS)
    return FAILED_FOR_GOOD if told and failure.final else 1


class _Download:
    """One run's tries."""

    def __init__(self, work: Work, assignment: DownloadAssignment, staging: Staging) -> None:
        self._work = work
        self._assignment = assignment
        self._spec: DownloadJobSpec = assignment.spec
        self._staging = staging

    async def run(self) -> DownloadResult:
        """Tries each client in turn. Raises Failed with the last reason."""
        url = self._spec.source.page_url
        try:
            check_url(url, self._work.settings.outbound_allow)
        except OutboundError as error:
            raise Failed(_failure("blocked_address", str(error), final=True)) from error
        failure = _failure("failed", "no client was tried")
        for client in clients_for(url):
            outcome = await self._attempt(url, client)
            if isinstance(outcome, Fetched):
                staged = self._staging.folder / outcome.file
                return await asyncio.to_thread(self._staging.finish, staged, outcome.media_id, outcome.title)
            failure = outcome
            if failure.reason in _NO_OTHER_CLIENT_HELPS:
                break
        raise Failed(failure)

    async def _attempt(self, url: str, client: str | None) -> Fetched | DownloadFailure:
        ask = self._work.gateway.extraction
        await turn(ask, URL(url))
        started, admission = datetime.now(UTC), Admission(ask, URL(url))
        try:
            async with GuardedProxy(self._work.settings.outbound_allow, admits=admission.admits) as proxy:
                outcome = await self._fetch(url, client, proxy.url)
        except ChildFailed as error:
            outcome = _failure("crashed", str(error))
        if admission.refused and isinstance(outcome, DownloadFailure):
            outcome = _failure(SPENT, admission.refused.hint)
        attempt = DownloadAttempt(
            id=uuid7(),
            client=client or "default",
            started_at=started,
            finished_at=datetime.now(UTC),
            error=f"{outcome.reason}: {outcome.message}" if isinstance(outcome, DownloadFailure) else None,
        )
        await self._tell(DownloadObservation(attempts=[attempt]))
        return outcome

    async def _fetch(self, url: str, client: str | None, proxy: str) -> Fetched | DownloadFailure:
        request: Json = {
            "url": url,
            "client": client,
            "folder": str(self._staging.folder),
            "stamp": await asyncio.to_thread(self._staging.stamp),
            "container": self._spec.container,
            "quality": self._spec.quality,
            "tags": self._spec.embed_metadata,
            "cover": self._spec.embed_cover_art,
            "ffmpeg": find_ffmpeg(),
            "proxy": proxy,
        }
        home = self._work.settings.state_dir / "home"
        async with child("castwarden_worker.download.fetch_child", request, home) as answers:
            async for answer in answers:
                if "done" in answer:
                    return Fetched(**answer["done"])
                if "error" in answer:
                    return DownloadFailure(**answer["error"])
                await self._tell(DownloadObservation(progress=_progress(answer["progress"])))
        raise ChildFailed("the child ended without an answer")

    async def _tell(self, seen: DownloadObservation) -> None:
        await self._work.reporter.tell(self._assignment.epoch, download=seen)


def _progress(seen: Json) -> DownloadProgress:
    total = seen["total"]
    return DownloadProgress(
        bytes=seen["bytes"],
        total_bytes=total,
        percent=round(min(100.0, 100 * seen["bytes"] / total), 1) if total else None,
        bytes_per_second=seen["speed"],
        updated_at=datetime.now(UTC),
    )
