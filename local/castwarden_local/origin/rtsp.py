# SPDX-License-Identifier: Apache-2.0
"""An RTSP server on loopback (RFC 2326): one stream, MPEG-TS in RTP (RFC 2250), interleaved, in real time."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from castwarden_base.loopback import Loopback

from castwarden_local.origin.encode import Recipe, Stretch
from castwarden_local.origin.streams import Piece, air

_PACKETS = 7 * 188  # bytes of transport stream in one RTP packet
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=A camera\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track1\r\n"
_ANSWERS = {
    "OPTIONS": ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"],
    "SETUP": ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"],
    "PLAY": ["Session: 1"],
    "TEARDOWN": ["Session: 1"],
}


class RtspOrigin:
    """`async with RtspOrigin([Stretch(10)]) as origin: origin.url`. The script begins with the first PLAY.

    `status` other than 200 is what DESCRIBE answers, with `location` for redirects. After the script the connection
    is closed, and DESCRIBE answers 404.
    """

    def __init__(
        self, script: Sequence[Stretch], *, recipe: Recipe | None = None, status: int = 200, location: str = ""
    ) -> None:
        self.url = ""
        self.status = status
        self._location = location
        self._script = script
        self._recipe = recipe
        self._pieces: list[Piece] = []
        self._began: float | None = None
        self._server = Loopback(self._serve)

    async def __aenter__(self) -> Self:
        self._pieces = await asyncio.to_thread(air, self._script, "ts", self._recipe)
        await self._server.start()
        self.url = f"rtsp://127.0.0.1:{self._server.port}/live/camera"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when nothing follows."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method = head[0].split(" ")[0]
        sequence = next((line for line in head if line.lower().startswith("cseq")), "CSeq: 0")
        headers, body, status = _ANSWERS.get(method, []), "", 200
        if method == "DESCRIBE":
            status = self.status
            headers = ["Content-Type: application/sdp"] + ([f"Location: {self._location}"] if self._location else [])
            body = _SDP if status == 200 else ""
        lines = [f"RTSP/1.0 {status} Answer", sequence, *headers, f"Content-Length: {len(body)}", "", body]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        if method != "PLAY":
            return method != "TEARDOWN" and status == 200
        await self._play(writer)
        return False

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        self._began = self._began or time.monotonic()
        sequence = 0
        for piece in self._pieces:
            elapsed = time.monotonic() - self._began
            if piece.due < elapsed - 1.0:
                continue
            await asyncio.sleep(max(0.0, piece.due - elapsed))
            for at in range(0, len(piece.data), _PACKETS):
                ticks = int(piece.due * 90_000) & 0xFFFFFFFF
                header = bytes([0x80, 33]) + (sequence & 0xFFFF).to_bytes(2) + ticks.to_bytes(4) + bytes(4)
                packet = header + piece.data[at : at + _PACKETS]
                writer.write(b"$\0" + len(packet).to_bytes(2) + packet)
                sequence += 1
            await writer.drain()
        self.status = 404
