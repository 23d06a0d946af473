# SPDX-License-Identifier: Apache-2.0
"""What time it is where the stream is made: a live manifest only says what is there when one knows that.

Sources, best first: what the manifest names (UTCTiming, ISO/IEC 23009-1 §5.8.4.11), the Date of an HTTP answer. Our own
clock is believed only as far as these do not contradict it.
"""

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
from castwarden_base.http import get_following, read_limited

from .manifest import Manifest
from .values import moment

_HEAD = "urn:mpeg:dash:utc:http-head:"
_TEXT = ("urn:mpeg:dash:utc:http-xsdate:", "urn:mpeg:dash:utc:http-iso:")
_DIRECT = "urn:mpeg:dash:utc:direct:"
_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_MOST_TRIES = 4
_KNOWN_FOR = 600.0


class OriginClock:
    """`now()` is Unix time there. `clock` is ours."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        headers: Mapping[str, str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.offset = 0.0
        self._session = session
        self._headers = dict(headers)
        self._clock = clock
        self._known_at: float | None = None  # monotonic

    def now(self) -> float:
        return self._clock() + self.offset

    async def learn(self, manifest: Manifest, url: str) -> None:
        """Asks again when that is due. An answer that cannot be had leaves things as they are."""
        if self._known_at is not None and time.monotonic() - self._known_at < _KNOWN_FOR:
            return
        self._known_at = time.monotonic()
        for scheme, value in [*manifest.timing[:_MOST_TRIES], (_HEAD, url)]:
            if (span := await self._ask(scheme, value)) is not None:
                self.offset = _within(*span)
                return

    async def _ask(self, scheme: str, value: str) -> tuple[float, float] | None:
        """Between which two offsets from our clock the time there lies; None when this source does not tell."""
        before = self._clock()
        try:
            if scheme.startswith(_DIRECT):
                there = moment(value)
                return there - before, there - before
            if not scheme.startswith((_HEAD, *_TEXT)):
                return None
            async with get_following(self._session, value, headers=self._headers, timeout=_TIMEOUT) as answer:
                middle = (before + self._clock()) / 2
                if scheme.startswith(_HEAD):
                    there = _date(answer.headers)
                    return there - middle, there + 1.0 - middle  # a Date has no fraction
                there = moment((await read_limited(answer, 1000)).decode("ascii", "replace"))
                return there - middle, there - middle
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None


def _within(least: float, most: float) -> float:
    """No offset when our clock may be right, else the smaller one: too early asks for what is not there yet."""
    return 0.0 if least <= 0 <= most else least


def _date(headers: Mapping[str, str]) -> float:
    """When the answer was given: a cache keeps the Date, and says how old that is."""
    age = headers.get("Age", "0")
    return parsedate_to_datetime(headers.get("Date", "")).timestamp() + (float(age) if age.isdigit() else 0.0)
