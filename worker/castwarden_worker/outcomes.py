# SPDX-License-Identifier: Apache-2.0
"""What looking at a source can bring, and how yt-dlp's information becomes one of these. Pure."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from .site_errors import Meaning, SiteError

_LIST = "It is a list of videos, not a stream."


@dataclass(frozen=True, slots=True)
class Live:
    """There is something to watch at `url`, until `expires`."""

    url: str
    title: str | None = None
    expires: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """Announced, for `start` when that is known."""

    start: datetime | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The site says that it is over."""

    reason: str = "stream_no_longer_live"


@dataclass(frozen=True, slots=True)
class NotLive:
    """Nothing is on. Weak evidence: a flagged address sees the same."""

    reason: str

    @property
    def answer(self) -> str | None:
        """What the source itself answers in place of a playlist, such as `HTTP 404`; None when a site tells it."""
        return self.reason.upper().replace("_", " ") if self.reason.startswith("http_") else None


@dataclass(frozen=True, slots=True)
class Blocked:
    """We could not look. Says nothing about the stream."""

    reason: str
    hint: str

    @property
    def turned_away(self) -> bool:
        """Whether the source is there and does not let us in. Else it may just as well be the stream that is gone."""
        return self.reason not in ("unreachable", "not_a_playlist", "playlist_refused")


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Nobody knows how to watch this source, or it must not be reached."""

    reason: str
    message: str


Outcome = Live | Upcoming | Ended | NotLive | Blocked | Unsupported
_KINDS: dict[str, type[Outcome]] = {
    kind.__name__: kind for kind in (Live, Upcoming, Ended, NotLive, Blocked, Unsupported)
}


def to_json(outcome: Outcome) -> dict[str, Any]:
    """For the way from the child process; `from_json` reads it."""
    values = {
        key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(outcome).items()
    }
    return {"kind": type(outcome).__name__, **values}


def from_json(values: Mapping[str, Any]) -> Outcome:
    """The outcome that `to_json` wrote."""
    rest = {key: value for key, value in values.items() if key != "kind"}
    for key in ("expires", "start"):
        if rest.get(key):
            rest[key] = datetime.fromisoformat(rest[key])
    return _KINDS[values["kind"]](**rest)


def of_error(error: SiteError, text: str) -> Outcome:
    """What an error of yt-dlp or streamlink says about the stream."""
    match error.meaning:
        case Meaning.UPCOMING:
            return Upcoming()
        case Meaning.ENDED:
            return Ended()
        case Meaning.OFFLINE | Meaning.GONE:
            return NotLive(error.reason)
        case Meaning.UNSUPPORTED:
            return Unsupported(error.reason, error.hint)
        case Meaning.BLOCKED:
            return Blocked(error.reason, error.hint or text[:200])


def media_file(kind: str) -> Unsupported:
    """The answer is media itself; what is watched is a playlist of segments."""
    return Unsupported("media_file", f"this is a media file ({kind}), not a live playlist")


def of_info(info: Mapping[str, Any]) -> Outcome:
    """What yt-dlp's unprocessed information says. Source: `live_status` in yt_dlp/extractor/common.py."""
    if info.get("_type", "video") != "video":
        return Unsupported("unsupported_source", _LIST)
    if info.get("direct") and info.get("formats"):  # the answer's type says so; without formats yt-dlp only guesses
        return media_file(info["formats"][0].get("ext") or "unknown")
    status = info.get("live_status") or ("is_live" if info.get("is_live") else None)
    title = info.get("title")
    if status == "is_upcoming":
        return Upcoming(_moment(info.get("release_timestamp")), title)
    if status in ("was_live", "post_live"):
        return Ended()
    if status == "not_live":
        return NotLive("not_live")
    return _live(info, title) or Blocked("no_formats", "The page names no HLS stream that can be watched.")


def _live(info: Mapping[str, Any], title: str | None) -> Live | None:
    """The multivariant playlist when one is named, since that holds every rendition; else any HLS format."""
    formats = info.get("formats") or ([info] if info.get("url") else [])
    playlists = [f for f in formats if _is_hls(f)]
    chosen = next((f for f in playlists if f.get("manifest_url")), playlists[0] if playlists else None)
    if chosen is None:
        return None
    url = chosen.get("manifest_url") or chosen["url"]
    return Live(url, title, expiry(url), dict(chosen.get("http_headers") or {}))


def _is_hls(format_: Mapping[str, Any]) -> bool:
    protocol = format_.get("protocol") or ""
    return protocol.startswith("m3u8") or (not protocol and ".m3u8" in (format_.get("url") or ""))


def expiry(url: str) -> datetime | None:
    """When a signed URL ceases to work, if it says so as YouTube's do: `expire/1700000000` or `expire=1700000000`."""
    found = re.search(r"[/?&]expires?[/=](\d{10})(?!\d)", url)
    return _moment(int(found[1])) if found else None


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
