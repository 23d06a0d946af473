# SPDX-License-Identifier: Apache-2.0
"""What the error texts of yt-dlp and streamlink mean. Pure. Used to look at streams and to download."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from .proxy import BLOCKED_PHRASE


class Meaning(Enum):
    """What a text says about the media."""

    UPCOMING = auto()
    OFFLINE = auto()
    ENDED = auto()
    GONE = auto()
    UNSUPPORTED = auto()
    BLOCKED = auto()  # says nothing about the media: we could not look


@dataclass(frozen=True, slots=True)
class SiteError:
    """`reason` is a stable word, `hint` what a person can do, `final` that another try would not help a download."""

    meaning: Meaning
    reason: str
    hint: str = ""
    final: bool = False


_ELSEWHERE = "Look from another egress address, or less often."
_UNREACHABLE = SiteError(Meaning.BLOCKED, "unreachable", "The site does not answer.")
_TABLE: tuple[tuple[str, SiteError], ...] = (
    (BLOCKED_PHRASE, SiteError(Meaning.UNSUPPORTED, "blocked_address", "It leads to an inside address.", final=True)),
    (r"HTTP Error 5\d\d|5\d\d server error", _UNREACHABLE),
    (r"no space left|disk quota exceeded", SiteError(Meaning.BLOCKED, "disk_full", "Free some space.")),
    (r"not a bot|captcha", SiteError(Meaning.BLOCKED, "bot_check", _ELSEWHERE)),
    (
        r"try again later|rate.?limit|HTTP Error 429|too many requests",
        SiteError(Meaning.BLOCKED, "rate_limited", "Fewer looks from this address; it passes within an hour."),
    ),
    (
        r"not (made this video )?available (in|from) your (country|location|region)|geo.?restrict",
        SiteError(Meaning.BLOCKED, "geo_restricted", "Look from an address in another country.", final=True),
    ),
    (r"\bDRM\b", SiteError(Meaning.BLOCKED, "drm", "The media is encrypted.", final=True)),
    (r"will begin in|premieres in|LIVE_STREAM_OFFLINE|not yet (live|started|begun)", SiteError(Meaning.UPCOMING, "")),
    (r"event has ended|stream has ended|recording is not available", SiteError(Meaning.ENDED, "ended", final=True)),
    (r"not currently live|is offline|not live|no playable streams", SiteError(Meaning.OFFLINE, "offline", final=True)),
    (
        r"private video|members.only|join this channel|sign in|log.?in required|confirm your age|registered users",
        SiteError(
            Meaning.BLOCKED, "login_required", "Only an account may see it, and we look without one.", final=True
        ),
    ),
    (
        r"unavailable|not available|been removed|no longer|does not exist|terminated|HTTP Error (404|410)",
        SiteError(Meaning.GONE, "unavailable", final=True),
    ),
    (
        r"unsupported url|no plugin can handle",
        SiteError(Meaning.UNSUPPORTED, "unsupported_source", "No resolver knows this page.", final=True),
    ),
    (r"HTTP Error 40[13]|403 client error|forbidden", SiteError(Meaning.BLOCKED, "forbidden", _ELSEWHERE)),
    (r"timed? ?out|connect|resolve|getaddrinfo|unreachable|reset|IncompleteRead", _UNREACHABLE),
)
_NO_FORMATS = SiteError(Meaning.BLOCKED, "no_formats", _ELSEWHERE)
_UNKNOWN = SiteError(Meaning.BLOCKED, "failed", "See the worker's log.")


def classify(text: str) -> SiteError:
    """The first row that matches; BLOCKED when none does, so that an unknown error never counts as "ended"."""
    if re.search(r"no video formats|requested format is not available", text, re.IGNORECASE):
        return _NO_FORMATS
    for pattern, error in _TABLE:
        if re.search(pattern, text, re.IGNORECASE):
            return error
    return _UNKNOWN
