# SPDX-License-Identifier: Apache-2.0
"""What to ask an HLS server for, and when. Pure: time is passed in. `hls_loader` carries it out.

Of a server that can (EXT-X-SERVER-CONTROL), the next load is asked for at once and answered when the next segment is
complete, as a delta update where the server writes them. Parts are neither fetched nor waited for one by one: what is
black for 30 s is seen no earlier by them, media would come twice or in a dozen requests per segment, and playlists that
come three times a second are as large as the smallest rendition. Only when a segment is late are its parts waited for:
they tell a slow segment from a stall.
"""

from dataclasses import dataclass
from enum import Enum, auto

from ..follow.loader import Pace
from ..playlist import MediaPlaylist

_FIRST, _SHORTEST, _LONGEST = 10.0, 5.0, 15.0  # seconds that a load may take
_GRACE = 2.0  # seconds that a segment may be late before its parts are looked for
_CREDIT = 2  # times in a row that a server may fail to do what it says it can


@dataclass(frozen=True, slots=True)
class Wish:
    """One load: until when the server is to keep it back, and how many seconds it may take in all."""

    patience: float
    sequence: int | None = None
    part: int | None = None
    skip: bool = False

    @property
    def is_plain(self) -> bool:
        return self.sequence is None and not self.skip

    def on(self, url: str) -> str:
        """With delivery directives (draft-pantos-hls-rfc8216bis §6.2.5), in the order that it wants."""
        given = (("msn", self.sequence), ("part", self.part), ("skip", "YES" if self.skip else None))
        asked = "&".join(f"_HLS_{name}={value}" for name, value in given if value is not None)
        if not asked:
            return url
        address, mark, fragment = url.partition("#")
        return f"{address}{'&' if '?' in address else '?'}{asked}{mark}{fragment}"


class _Mode(Enum):
    SEGMENT = auto()  # waits for the next segment
    PART = auto()  # the next segment is late: waits for its next part
    PLAIN = auto()  # nothing comes: asks now and then


class Asking:
    """The conversation with one server about one playlist."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.last: MediaPlaylist | None = None
        self._loaded_at = 0.0
        self._mode = _Mode.SEGMENT
        self._blocking = self._skipping = _CREDIT
        self._kept_waiting = False  # the wish before was not granted in time

    def wish(self, now: float) -> Wish:
        """What to ask for now."""
        known = self.last
        if known is None:
            return Wish(_FIRST)
        target, until = known.target_duration, known.control.can_skip_until
        skip = until is not None and self._skipping > 0 and now - self._loaded_at < until / 2
        if not self._may_block(known) or self._mode is _Mode.PLAIN:
            return Wish(self._patience, skip=skip)
        if self._mode is _Mode.PART and known.part_target:
            return Wish(3 * known.part_target + 1.0, known.next_sequence, len(known.parts), skip)
        return Wish(min(target + _GRACE, _LONGEST), known.next_sequence, skip=skip)

    def plainly(self) -> Wish:
        """What every server can."""
        return Wish(self._patience)

    def refused(self, wish: Wish, seconds: float, *, nonsense: bool = False) -> None:
        """The wish was not granted, which took so long; `plainly` is what to ask for next.

        `nonsense`: the answer is no playlist. A server that kept us waiting may have had nothing to tell; what the
        next load brings shows that.
        """
        if nonsense or wish.sequence is None:
            self._skipping -= wish.skip
        elif wish.sequence is not None and seconds < wish.patience / 2:
            self._blocking -= 1
        else:
            self._kept_waiting = True

    def failed(self, now: float) -> None:
        """There is no playlist to be had at the moment."""
        self._kept_waiting = False
        self._mode = _Mode.PLAIN
        self.pace.failed(now)

    def loaded(self, playlist: MediaPlaylist, wish: Wish, now: float) -> None:
        """This came in answer to the wish."""
        before, self.last, self._loaded_at = self.last, playlist, now
        segments = before is None or playlist.next_sequence != before.next_sequence
        parts = not segments and before is not None and len(playlist.parts) > len(before.parts)
        waited = wish.sequence is not None
        if waited and wish.part is None:
            self._blocking = _CREDIT if segments else self._blocking - 1
        elif waited and not (segments or parts):
            self._blocking -= 1
        elif self._kept_waiting and segments:
            self._blocking -= 1  # there was news, and it did not say so
        self._kept_waiting = False
        goes_on = segments or (parts and (not waited or wish.part is not None))
        self._mode = _Mode.SEGMENT if segments else _Mode.PART if goes_on else _Mode.PLAIN
        self.pace.loaded(now, playlist.target_duration, new=segments)
        if goes_on and self._may_block(playlist):
            self.pace.after(now, 0.0)

    def _may_block(self, playlist: MediaPlaylist) -> bool:
        return playlist.control.can_block and self._blocking > 0

    @property
    def _patience(self) -> float:
        return max(_SHORTEST, min(2 * self.last.target_duration, _LONGEST)) if self.last else _FIRST
