# SPDX-License-Identifier: Apache-2.0
"""What can go wrong while looking at a stream, split by what the caller should do about it."""


class StreamError(Exception):
    """Base: something about the stream, or about reaching it, is not as it should be."""


class PlaylistError(StreamError):
    """What was fetched is no playlist and no manifest, or a broken one. The message says what is wrong and where."""


class FetchError(StreamError):
    """A resource could not be fetched this time. Another try may help."""


class Refused(FetchError):
    """The server says no (401, 403, 404, 410, or an address that must not be reached). A new URL may help."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Absent(FetchError):
    """The server answers, and the stream is not there. It may come."""


class TooManyChildren(FetchError):
    """This process reads as many streams by FFmpeg as it may. One of them may end."""


class SegmentError(StreamError):
    """A segment arrived and is broken. Counted, and watching goes on."""


class Unreadable(StreamError):
    """A segment that we cannot read though nothing is wrong with it: DRM, or a container or codec we do not know."""
