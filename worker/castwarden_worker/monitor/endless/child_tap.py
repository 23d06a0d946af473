# SPDX-License-Identifier: Apache-2.0
"""Taps RTMP, RTSP (both also over TLS) and SRT. FFmpeg reads in a child, and reaches nothing but what the guard allows:
a forwarder on loopback makes its TCP connections, and for SRT it is given the address that was checked.
"""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from castwarden_base.addresses import Network
from castwarden_base.http import BlockedAddress, InvalidUrl, check_url

from ...dial import checked_address
from ...forward import Forwarder
from ...memory import stream_children
from ...piped import piped
from ...rtsp_gate import NotAllowed, RtspGate
from ..errors import Absent, FetchError, Refused, TooManyChildren, Unreadable
from .stretches import Cutter, Stretch
from .stretches.ts import TsCutter
from .stretches.units import UnitCutter

_CHILD = f"{__package__}.stream_child"
_PORTS = {"rtmp": 1935, "rtmps": 443, "rtsp": 554, "rtsps": 322, "srt": 0}
SCHEMES = tuple(f"{scheme}://" for scheme in _PORTS)
_SRT_OPTIONS = ("streamid", "latency")
_ABSENT = (404, 410, 454)
_OPENING_US = 15_000_000
_AS_IT_IS = ("-map", "0", "-c", "copy", "-f", "data", "-flush_packets", "1", "pipe:1")
_running: set[object] = set()
_PROBE = {"probesize": "1000000", "analyzeduration": "3000000"}  # bytes, microseconds


@dataclass(frozen=True, slots=True)
class _Way:
    """How a child gets at the stream."""

    request: dict[str, Any]
    cutter: Cutter
    forwarder: Forwarder | None = None
    gate: RtspGate | None = None

    @property
    def was_closed(self) -> bool:
        """Whether the server closed the connection, and nothing broke it: to FFmpeg both are errors."""
        return self.forwarder is not None and self.forwarder.closed

    def why(self, words: str) -> FetchError:
        """Why the child failed: what we saw on the way says more than FFmpeg does."""
        problem = self.forwarder.problem if self.forwarder else None
        if isinstance(problem, (BlockedAddress, NotAllowed)):
            return Refused(str(problem))
        if self.gate and (status := self.gate.status):
            return Absent(f"RTSP {status}") if status in _ABSENT else Refused(f"RTSP {status}", status)
        if self.forwarder and self.forwarder.reached:
            return Absent(f"there is no stream ({words})" if words else "there is no stream")
        if self.forwarder and problem:
            return FetchError(f"cannot reach {self.forwarder.there}: {_in_words(problem)}")
        return FetchError(words or "the stream cannot be reached")


def check_stream_url(url: str, allow: Iterable[Network] = ()) -> None:
    """The early check, as `check_url` makes it for HTTP: no credentials, no inside names or addresses."""
    try:
        place = urlsplit(url)
        check_url(f"http://{place.netloc}/", allow)
        if place.scheme == "srt" and not place.port:
            raise InvalidUrl("an SRT URL needs a port")
        if "passphrase" in dict(parse_qsl(place.query)):
            raise InvalidUrl("a passphrase has no place in a URL that everybody can read")
    except ValueError as error:
        raise InvalidUrl(f"not a URL: {error}") from error


class ChildTap:
    """One URL. It does not say what it is called: `title` stays None."""

    def __init__(self, url: str, allow: Iterable[Network] = ()) -> None:
        self.title: str | None = None
        self._url = urlsplit(url)
        self._allow = tuple(allow)

    async def look(self, timeout: float) -> None:
        """Returns when there is a stream. StreamError says why there is none: Absent when the server is there."""
        async with _place(), self._way() as way, piped(_CHILD, way.request) as child:
            try:
                async with asyncio.timeout(timeout):
                    if await child.read():
                        return
                    _, words = await child.ended()
            except TimeoutError:
                words = f"nothing came for {timeout:.0f} s"
            raise way.why(words)

    async def stretches(self) -> AsyncGenerator[Stretch, None]:
        async with _place(), self._way() as way, piped(_CHILD, way.request) as child:
            seen = False
            while data := await child.read():
                for stretch in await asyncio.to_thread(way.cutter.feed, data):
                    seen = True
                    yield stretch
            for stretch in await asyncio.to_thread(way.cutter.finish):
                yield stretch
            code, words = await child.ended()
            if code and not (seen and way.was_closed):
                raise FetchError("the connection was lost") if seen else way.why(words)

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[_Way]:
        url = self._url
        if url.scheme == "srt":
            yield _Way({"program": await self._srt()}, TsCutter())
            return
        gate = RtspGate() if url.scheme.startswith("rtsp") else None
        port, tls = url.port or _PORTS[url.scheme], url.scheme.endswith("s")
        async with Forwarder(url.hostname or "", port, self._allow, tls=tls, gate=gate) as forwarder:
            request = (_rtsp if gate else _rtmp)(url, forwarder.port)
            yield _Way(request, UnitCutter(), forwarder, gate)

    async def _srt(self) -> list[str]:
        """The command line of a program: the FFmpeg in PyAV is built without SRT."""
        program = _program()
        if program is None:
            raise Unreadable("SRT needs the program ffmpeg with libsrt, which is not installed here")
        url = self._url
        try:
            address = await checked_address(url.hostname or "", url.port or 0, self._allow)
        except BlockedAddress as error:
            raise Refused(str(error)) from error
        except OSError as error:
            raise FetchError(f"cannot reach {url.hostname}: {_in_words(error)}") from error
        host = f"[{address}]" if ":" in address else address
        given = {name: value for name, value in parse_qsl(url.query) if name in _SRT_OPTIONS}
        query = urlencode({**given, "mode": "caller", "connect_timeout": "10000", "timeout": str(2 * _OPENING_US)})
        source = f"srt://{host}:{url.port or 0}?{query}"
        return [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-f", "data", "-i", source, *_AS_IT_IS]


@asynccontextmanager
async def _place() -> AsyncIterator[None]:
    """One of the places for children in this process's memory."""
    most = await asyncio.to_thread(stream_children)
    if len(_running) >= most:
        raise TooManyChildren(f"This worker reads {most} streams of RTMP, RTSP and SRT, as many as its memory allows.")
    mine = object()
    _running.add(mine)
    try:
        yield
    finally:
        _running.remove(mine)


def _rtmp(url: SplitResult, port: int) -> dict[str, Any]:
    """What the server is told is where the viewer thinks it is, and not the forwarder's address."""
    parts = url.path.strip("/").split("/")
    application = "/".join(parts[: 2 if len(parts) > 2 else 1])
    options = {
        **_PROBE,
        "rtmp_live": "live",
        "rtmp_tcurl": f"{url.scheme}://{url.netloc}/{application}",
        "protocol_whitelist": "rtmp,tcp",
    }
    query = f"?{url.query}" if url.query else ""
    return {"url": f"rtmp://127.0.0.1:{port}{url.path}{query}", "format": "flv", "options": options}


def _rtsp(url: SplitResult, port: int) -> dict[str, Any]:
    options = {
        **_PROBE,
        "rtsp_transport": "tcp",
        "allowed_media_types": "video+audio",
        "protocol_whitelist": "rtsp,rtp,tcp",
    }
    query = f"?{url.query}" if url.query else ""
    return {"url": f"rtsp://127.0.0.1:{port}{url.path}{query}", "format": "rtsp", "options": options}


def _in_words(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    known = error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError)
    reason = os.strerror(error.errno or 0) if known else error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


def _program() -> str | None:
    """An ffmpeg that may know SRT: the system's, or the one in the wheel imageio-ffmpeg when that is installed."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg  # a part of the extra `local`; a worker's image has its own
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())
