# SPDX-License-Identifier: Apache-2.0
"""The child that reads RTMP, RTSP or SRT with FFmpeg and sends what it reads to its parent. Decodes nothing.

A child, because FFmpeg blocks, and what blocks can only be killed: request in (JSON, one line), records of `wire` out,
or an MPEG transport stream when a program does the reading. Exit status: 0 the stream was closed in order, 3 it could
not be read (the last line of stderr says why).
"""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

import av

from ...confine import die_with_parent, limit_memory
from . import wire

MEMORY = 384 * 2**20
FAILED = 3
_OPENING, _SILENT = 15.0, 30.0  # seconds after which FFmpeg gives up


def main() -> int:
    """Reads the request and the stream."""
    die_with_parent()
    limit_memory(MEMORY)
    request = json.loads(sys.stdin.readline())
    if program := request.get("program"):
        os.execv(program[0], program)  # noqa: S606 - our own command line; it takes our place, and our limits
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no record
    try:
        for record in _records(request["url"], request["format"], request["options"]):
            _write(output, record)
    except BrokenPipeError:
        return 0
    except (av.FFmpegError, OSError, ValueError) as error:
        print(_words(error), file=sys.stderr)
        return FAILED
    return 0


def _records(url: str, form: str, options: dict[str, str]) -> Iterator[bytes]:
    with av.open(url, format=form, options=options, timeout=(_OPENING, _SILENT)) as container:
        streams = [kind[0] for kind in (container.streams.video, container.streams.audio) if kind]
        if not streams:
            raise ValueError("the stream has neither picture nor sound")
        for stream in streams:
            yield _track(stream)
        for packet in container.demux(streams):
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None or not packet.size:
                continue
            if packet.has_sidedata("new_extradata"):
                extradata = bytes(packet.get_sidedata("new_extradata"))
                yield wire.track(packet.stream.type, packet.stream.codec_context.name, extradata)
            is_video = packet.stream.type == "video"
            seconds = float(pts * (packet.time_base or 0))
            yield wire.packet(is_video=is_video, is_key=packet.is_keyframe, pts=seconds, data=bytes(packet))


def _track(stream: Any) -> bytes:
    if stream.codec_context is None:
        raise ValueError(f"the stream's {stream.type} is in a codec that we do not know")
    return wire.track(stream.type, stream.codec_context.name, stream.codec_context.extradata)


def _write(output: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[output.write(view) :]


def _words(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
