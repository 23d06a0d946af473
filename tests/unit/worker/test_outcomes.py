# SPDX-License-Identifier: Apache-2.0
"""What yt-dlp's information and error texts say about a stream."""

from datetime import UTC, datetime
from typing import Any

import pytest
from castwarden_worker.outcomes import (
    Blocked,
    Ended,
    Live,
    NotLive,
    Outcome,
    Unsupported,
    Upcoming,
    expiry,
    from_json,
    of_error,
    of_info,
    to_json,
)
from castwarden_worker.resolve_child import by_streamlink
from castwarden_worker.site_errors import classify
from streamlink.session.session import Streamlink
from streamlink.stream.http import HTTPStream

HLS = {"protocol": "m3u8_native", "url": "https://cdn.example/audio.m3u8"}
MULTIVARIANT = HLS | {"manifest_url": "https://cdn.example/master.m3u8", "http_headers": {"Referer": "https://x/"}}
HTTPS = {"protocol": "https", "url": "https://cdn.example/film.mp4"}


@pytest.mark.parametrize(
    ("info", "outcome"),
    [
        (
            {"live_status": "is_live", "title": "T", "formats": [HTTPS, HLS, MULTIVARIANT]},
            Live("https://cdn.example/master.m3u8", "T", headers={"Referer": "https://x/"}),
        ),
        ({"live_status": "is_live", "formats": [HTTPS, HLS]}, Live("https://cdn.example/audio.m3u8")),
        ({"is_live": True, "formats": [HLS]}, Live("https://cdn.example/audio.m3u8")),
        ({"formats": [HLS]}, Live("https://cdn.example/audio.m3u8")),
        ({"url": "https://x/a.m3u8"}, Live("https://x/a.m3u8")),
        ({"live_status": "is_live", "formats": []}, "no_formats"),
        ({"live_status": "is_live", "formats": [HTTPS]}, "no_formats"),
        (
            {"live_status": "is_upcoming", "title": "T", "release_timestamp": 1_800_000_000},
            Upcoming(datetime(2027, 1, 15, 8, tzinfo=UTC), "T"),
        ),
        ({"live_status": "is_upcoming"}, Upcoming()),
        ({"live_status": "post_live", "formats": [HLS]}, Ended()),
        ({"live_status": "was_live", "formats": [HLS]}, Ended()),
        ({"live_status": "not_live", "formats": [HTTPS]}, NotLive("not_live")),
        ({"_type": "playlist", "entries": []}, "unsupported_source"),
        ({"direct": True, "ext": "unknown_video", "url": "https://x/film"}, "no_formats"),
        ({"direct": True, "formats": [{"url": "https://x/film.mp4", "ext": "mp4"}]}, "media_file"),
    ],
)
def test_what_yt_dlp_knows_becomes_one_outcome(info: dict[str, Any], outcome: Outcome | str) -> None:
    found = of_info(info)
    if isinstance(outcome, str):
        assert isinstance(found, (Blocked, Unsupported))
        assert found.reason == outcome
    else:
        assert found == outcome


def test_what_streamlink_would_play_and_we_cannot_watch_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    best = {"best": HTTPStream(Streamlink(), "https://x/film.mp4")}
    monkeypatch.setattr(Streamlink, "streams", lambda *_: best)
    found = by_streamlink("https://x/", "http://127.0.0.1:1")
    assert found == Unsupported("unsupported_source", "The stream is served as http, not as HLS.")


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("ERROR: [youtube] x: This live event will begin in 3 hours.", Upcoming, None),
        ("[youtube] x: Premieres in 4 minutes", Upcoming, None),
        ("[youtube] x: This live event has ended.", Ended, None),
        ("[twitch:stream] x: The channel is not currently live", NotLive, "offline"),
        ("[youtube] x: Video unavailable. This video has been removed by the uploader", NotLive, "unavailable"),
        ("HTTP Error 404: Not Found", NotLive, "unavailable"),
        ("[youtube] x: Sign in to confirm you\u2019re not a bot. Use --cookies-from-browser", Blocked, "bot_check"),
        ("[youtube] x: Video unavailable. This content isn't available, try again later.", Blocked, "rate_limited"),
        ("Unable to download webpage: HTTP Error 429: Too Many Requests", Blocked, "rate_limited"),
        ("The uploader has not made this video available in your country", Blocked, "geo_restricted"),
        ("[youtube] x: Private video. Sign in if you've been granted access", Blocked, "login_required"),
        ("Join this channel to get access to members-only content", Blocked, "login_required"),
        ("HTTP Error 403: Forbidden", Blocked, "forbidden"),
        ("HTTP Error 503: Service Unavailable", Blocked, "unreachable"),
        ("Unable to download webpage: <urllib3.connection: Failed to resolve 'x'>", Blocked, "unreachable"),
        ("The read operation timed out", Blocked, "unreachable"),
        ("[youtube] x: No video formats found!; please report this issue", Blocked, "no_formats"),
        ("Requested format is not available. Use --list-formats", Blocked, "no_formats"),
        ("Something that nobody has seen before", Blocked, "failed"),
        ("ERROR: Unsupported URL: https://example.com/", Unsupported, "unsupported_source"),
        ("HTTP Error 403: Blocked-Address", Unsupported, "blocked_address"),
        ("Tunnel connection failed: 403 Blocked-Address", Unsupported, "blocked_address"),
    ],
)
def test_an_error_text_never_means_more_than_it_says(text: str, kind: type, reason: str | None) -> None:
    outcome = of_error(classify(text), text)
    assert type(outcome) is kind
    if reason:
        assert getattr(outcome, "reason", None) == reason


@pytest.mark.parametrize(
    ("text", "reason", "final"),
    [
        ("unable to write data: [Errno 28] No space left on device", "disk_full", False),
        ("This video is DRM protected", "drm", True),
        ("Private video", "login_required", True),
        ("Connection reset by peer", "unreachable", False),
        ("HTTP Error 404: Not Found", "unavailable", True),
    ],
)
def test_a_download_knows_whether_another_try_would_help(text: str, reason: str, final: bool) -> None:
    found = classify(text)
    assert (found.reason, found.final) == (reason, final)


@pytest.mark.parametrize(
    "outcome",
    [
        Live("https://x/", "T", datetime(2026, 1, 1, tzinfo=UTC), {"A": "b"}),
        Live("https://x/"),
        Upcoming(datetime(2026, 1, 1, tzinfo=UTC)),
        Upcoming(),
        Ended(),
        NotLive("offline"),
        Blocked("bot_check", "hint"),
        Unsupported("a", "b"),
    ],
)
def test_an_outcome_survives_the_way_from_the_child(outcome: Outcome) -> None:
    assert from_json(to_json(outcome)) == outcome


@pytest.mark.parametrize(
    ("url", "time"),
    [
        ("https://manifest.example/api/expire/1800000000/ei/x/index.m3u8", datetime(2027, 1, 15, 8, tzinfo=UTC)),
        ("https://cdn.example/a.m3u8?expires=1800000000&x=y", datetime(2027, 1, 15, 8, tzinfo=UTC)),
        ("https://cdn.example/a.m3u8?expire=99999999999", None),
        ("https://cdn.example/expired/1.m3u8", None),
    ],
)
def test_a_signed_url_tells_when_it_expires(url: str, time: datetime | None) -> None:
    assert expiry(url) == time
