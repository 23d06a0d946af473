# SPDX-License-Identifier: Apache-2.0
"""Role download: real processes, real yt-dlp, a media server on loopback."""

import asyncio
import errno
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from castwarden_local.origin.feeds import media_app
from castwarden_model.messages import DownloadAssignment, ResourceRef
from castwarden_model.resources import DownloadJobSpec
from castwarden_worker.download import files
from castwarden_worker.download.embed import find_ffmpeg
from castwarden_worker.download.role import download_media

from .conftest import FakeGateway, Worker, Workers, alive, children_of, until

REF = ResourceRef(kind="DownloadJob", namespace="media", name="one", uid="uid-1")


def assigned(url: str, **spec: Any) -> DownloadAssignment:
    defaults = {"source": {"url": url}, "embedMetadata": False, "embedCoverArt": False}
    return DownloadAssignment(resource=REF, version="1", epoch=1, spec=DownloadJobSpec.model_validate(defaults | spec))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short real film, `Evening news.mp4`."""
    folder = tmp_path_factory.mktemp("media")
    ffmpeg = find_ffmpeg()
    assert ffmpeg
    source = ("-f", "lavfi", "-i", "testsrc2=size=160x90:rate=10:duration=3", "-f", "lavfi", "-i", "sine=duration=3")
    target = folder / "Evening news.mp4"
    subprocess.run(
        [ffmpeg, "-v", "error", *source, "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", str(target)],
        check=True,
    )
    return folder


def finished_files(workers: Workers) -> list[Path]:
    return sorted(path for path in (workers.folder / "downloads").iterdir() if path.name != files.STAGING)


def staged_files(workers: Workers) -> list[Path]:
    return [path for path in (workers.folder / "downloads" / files.STAGING).rglob("*") if path.is_file()]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_file_lands_whole_under_its_name_with_its_hash(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path
) -> None:
    url = await serve(media_app(clip))
    gateway.assign(assigned(f"{url}/media/Evening news.mp4"))
    assert await workers.run(download_media, REF) == 0
    (path,) = finished_files(workers)
    result = gateway.reports[-1].download.result  # type: ignore[union-attr]
    assert result
    assert path.name == result.path == "Evening news [Evening news].mp4"
    assert (result.bytes, result.sha256) == (path.stat().st_size, sha256(path))
    assert sha256(path) == sha256(clip / "Evening news.mp4")
    assert staged_files(workers) == []
    attempts = [attempt for report in gateway.reports if report.download for attempt in report.download.attempts]
    assert [(attempt.client, attempt.error) for attempt in attempts] == [("default", None)]


async def test_metadata_is_written_into_the_file_when_asked(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path
) -> None:
    url = await serve(media_app(clip))
    gateway.assign(assigned(f"{url}/media/Evening news.mp4", embedMetadata=True))
    assert await workers.run(download_media, REF) == 0
    (path,) = finished_files(workers)
    result = gateway.reports[-1].download.result  # type: ignore[union-attr]
    assert result
    assert result.sha256 == sha256(path)
    assert b"Evening news" in path.read_bytes()
    assert sha256(path) != sha256(clip / "Evening news.mp4")


async def test_another_container_is_made_without_encoding_again(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path
) -> None:
    url = await serve(media_app(clip))
    gateway.assign(assigned(f"{url}/media/Evening news.mp4", container="mkv"))
    assert await workers.run(download_media, REF) == 0
    (path,) = finished_files(workers)
    assert path.suffix == ".mkv"
    assert path.read_bytes()[:4] == b"\x1aE\xdf\xa3"


async def test_a_redirect_to_a_site_whose_budget_is_used_up_is_not_followed(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://www.youtube.com/watch?v=dQw4w9WgXcQ")

    app = web.Application()
    app.router.add_get("/film", elsewhere)
    gateway.closed_sites = {"youtube.com"}
    gateway.assign(assigned(f"{await serve(app)}/film"))
    assert await workers.run(download_media, REF) == 1
    failure = gateway.reports[-1].download.failure  # type: ignore[union-attr]
    assert failure
    assert (failure.reason, failure.final) == ("extraction_budget", False)


class SlowMedia:
    """A file that trickles, in byte ranges; notes where each request began."""

    def __init__(self, size: int = 40 * 2**20) -> None:
        self.content = os.urandom(2**20) * (size // 2**20)
        self.starts: list[int] = []
        self.pace = 0.05

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/slow.mp4", self.get)
        return app

    async def get(self, request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0
        self.starts.append(start)
        body = self.content[start:]
        headers = {"Accept-Ranges": "bytes", "Content-Type": "video/mp4", "Content-Length": str(len(body))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        try:
            for offset in range(0, len(body), 2**18):
                await response.write(body[offset : offset + 2**18])
                await asyncio.sleep(self.pace)
        except (ConnectionError, asyncio.CancelledError):
            pass
        return response


@pytest.fixture
async def slow(gateway: FakeGateway, serve: Callable[..., Any]) -> SlowMedia:
    media = SlowMedia()
    gateway.assign(assigned(f"{await serve(media.app())}/slow.mp4"))
    return media


async def under_way(gateway: FakeGateway, worker: Worker) -> list[int]:
    """Waits for progress, then gives the worker's child processes."""
    await until(lambda: any(seen.bytes > 2**20 for seen in progress(gateway)))
    return children_of(worker.process.pid)


def progress(gateway: FakeGateway) -> list[Any]:
    return [report.download.progress for report in gateway.reports if report.download and report.download.progress]


async def test_progress_is_told_while_it_runs(gateway: FakeGateway, workers: Workers, slow: SlowMedia) -> None:
    worker = await workers.start("download", REF)
    await under_way(gateway, worker)
    seen = next(seen for seen in progress(gateway) if seen.bytes > 2**20)
    assert seen.total_bytes == len(slow.content)
    assert 0 < seen.percent < 100
    assert seen.bytes_per_second > 0
    assert finished_files(workers) == []


@pytest.mark.parametrize("ending", ["terminate", "kill"])
async def test_a_worker_that_is_stopped_leaves_no_process_and_the_next_one_goes_on_where_it_was(
    gateway: FakeGateway, workers: Workers, slow: SlowMedia, ending: str
) -> None:
    worker = await workers.start("download", REF)
    children = await under_way(gateway, worker)
    assert children
    getattr(worker, ending)()
    assert await worker.wait() == (143 if ending == "terminate" else -9)
    await until(lambda: not any(alive(child) for child in children))
    assert finished_files(workers) == []
    slow.pace = 0.0
    second = await workers.start("download", REF)
    assert await second.wait() == 0
    (path,) = finished_files(workers)
    assert path.read_bytes() == slow.content
    assert slow.starts[0] == 0
    assert slow.starts[-1] > 2**20
    assert staged_files(workers) == []
    assert {event["service"] for event in worker.events()} <= {"worker-download"}  # every line is JSON


async def test_a_resource_that_goes_away_stops_its_download(
    gateway: FakeGateway, workers: Workers, slow: SlowMedia
) -> None:
    worker = await workers.start("download", REF)
    children = await under_way(gateway, worker)
    gateway.assign(None)
    assert await worker.wait() == 0
    await until(lambda: not any(alive(child) for child in children))
    assert finished_files(workers) == []


async def test_a_finished_file_that_was_not_told_of_is_told_of_without_another_download(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path
) -> None:
    asked: list[str] = []
    app = media_app(clip)

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        asked.append(request.method)
        answer: web.StreamResponse = await handler(request)
        return answer

    app.middlewares.append(count)
    gateway.assign(assigned(f"{await serve(app)}/media/Evening news.mp4"))
    gateway.answer = lambda _: (503, "database_unavailable")
    worker = await workers.start("download", REF)
    await until(lambda: finished_files(workers))
    worker.kill()
    await worker.wait()
    requests = len(asked)
    (workers.folder / "state").rename(workers.folder / "state-of-the-first-pod")
    gateway.answer = lambda _: None
    second = await workers.start("download", REF)
    assert await second.wait() == 0
    assert len(asked) == requests
    (report,) = gateway.reports
    assert report.download
    assert report.download.result
    assert report.download.result.sha256 == sha256(clip / "Evening news.mp4")
    assert len(finished_files(workers)) == 1


async def test_another_file_of_the_same_name_is_never_overwritten(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path
) -> None:
    mine = workers.folder / "downloads" / "Evening news [Evening news].mp4"
    mine.write_text("mine")
    gateway.assign(assigned(f"{await serve(media_app(clip))}/media/Evening news.mp4"))
    assert await workers.run(download_media, REF) == 0
    assert mine.read_text() == "mine"
    assert [path.name for path in finished_files(workers)] == [
        "Evening news [Evening news] (2).mp4",
        "Evening news [Evening news].mp4",
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nothing.mp4", "unavailable"),
        ("/inside", "blocked_address"),
        ("/page", "unsupported_source"),
    ],
)
async def test_a_failure_that_no_retry_mends_is_told_as_final(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], path: str, reason: str
) -> None:
    async def inside(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://127.0.0.2:1/secret.mp4"})

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html><body>No media here</body></html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/inside", inside)
    app.router.add_get("/page", page)
    gateway.assign(assigned(await serve(app) + path))
    assert await workers.run(download_media, REF) == 3
    failure = gateway.reports[-1].download.failure  # type: ignore[union-attr]
    assert failure
    assert (failure.reason, failure.final) == (reason, True)
    assert finished_files(workers) == []


async def test_a_private_address_is_refused_before_anything_is_asked(gateway: FakeGateway, workers: Workers) -> None:
    gateway.assign(assigned("http://169.254.169.254/latest/meta-data/"))
    assert await workers.run(download_media, REF) == 3
    (report,) = gateway.reports
    assert report.download
    assert report.download.failure
    assert report.download.failure.reason == "blocked_address"


async def test_a_server_that_breaks_off_is_a_failure_that_a_retry_may_mend(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any]
) -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application()
    app.router.add_get("/film.mp4", broken)
    gateway.assign(assigned(await serve(app) + "/film.mp4"))
    assert await workers.run(download_media, REF) == 1
    failure = gateway.reports[-1].download.failure  # type: ignore[union-attr]
    assert failure
    assert failure.final is False


async def test_a_full_disk_is_named(
    gateway: FakeGateway, workers: Workers, serve: Callable[..., Any], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "place", full)
    gateway.assign(assigned(f"{await serve(media_app(clip))}/media/Evening news.mp4"))
    assert await workers.run(download_media, REF) == 1
    failure = gateway.reports[-1].download.failure  # type: ignore[union-attr]
    assert failure
    assert (failure.reason, failure.final) == ("disk_full", False)


async def test_each_client_for_youtube_is_tried_in_turn_and_every_try_is_told(
    gateway: FakeGateway, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nowhere(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    monkeypatch.setattr("castwarden_worker.proxy.dial", nowhere)
    gateway.assign(assigned("https://www.youtube.com/watch?v=aaaaaaaaaaa"))
    assert await workers.run(download_media, REF) == 1
    attempts = [attempt for report in gateway.reports if report.download for attempt in report.download.attempts]
    assert [attempt.client for attempt in attempts] == ["android", "tv_embedded", "web", "default"]
    assert "knows no client tv_embedded" in (attempts[1].error or "")
