# SPDX-License-Identifier: Apache-2.0
"""An RTMP or SRT server on loopback: the program ffmpeg waits for one viewer and sends it a script in real time."""

import asyncio
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import imageio_ffmpeg

from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.streams import air


class PushedOrigin:
    """`async with PushedOrigin([Stretch(10)], "rtmp") as origin: origin.url`. Serves one viewer after the other.

    `times` is how often: each viewer gets the whole script, and then the connection is closed.
    """

    def __init__(
        self,
        script: Sequence[Stretch],
        protocol: Literal["rtmp", "srt"],
        *,
        recipe: Recipe | None = None,
        times: int = 1,
    ) -> None:
        self.url = ""
        self.served = 0
        self._script = script
        self._protocol = protocol
        self._recipe = recipe
        self._times = times
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="castwarden-origin-")
        media = Path(self._folder.name) / "media.ts"
        pieces = await asyncio.to_thread(air, self._script, "ts", self._recipe)
        media.write_bytes(b"".join(piece.data for piece in pieces))
        self.url = f"{self._protocol}://127.0.0.1:{_free_port(self._protocol)}"
        where = ["-f", "mpegts", f"{self.url}?mode=listener"]
        if self._protocol == "rtmp":
            self.url += "/live/stream"
            where = ["-f", "flv", "-flvflags", "no_duration_filesize", "-listen", "1", self.url]
        self._serving = asyncio.create_task(self._serve(media, where))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._serving:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        if self._folder:
            self._folder.cleanup()

    async def _serve(self, media: Path, where: list[str]) -> None:
        for _ in range(self._times):
            quiet = ["-nostdin", "-hide_banner", "-loglevel", "quiet"]
            command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, "-re", "-i", str(media), "-c", "copy", *where]
            process = await asyncio.create_subprocess_exec(*command)
            try:
                await process.wait()
                self.served += 1
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def _free_port(protocol: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if protocol == "srt" else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
