# SPDX-License-Identifier: Apache-2.0
"""Which renditions are watched."""

from typing import Any

import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls.renditions import choose
from castwarden_worker.monitor.playlist import MultivariantPlaylist, Rendition, Variant

HIGH = Variant("high", 5_000_000, 1080, "avc1,mp4a", "sound")
LOW = Variant("low", 300_000, 144, "avc1,mp4a", "sound")
RADIO = Variant("radio", 64_000, None, "mp4a.40.2", "sound")


def chosen(*given: Any) -> tuple[str, str | None]:
    choice = choose(MultivariantPlaylist(*given))
    return choice.main, choice.audio


def test_the_smallest_picture_is_taken_and_a_variant_of_sound_alone_is_not() -> None:
    assert chosen((HIGH, RADIO, LOW)) == ("low", None)


def test_sound_with_subtitles_is_no_picture() -> None:
    texts, picture = Variant("texts", 1, None, "mp4a.40.2,wvtt"), Variant("picture", 2, None, "avc1.4d400c,mp4a.40.2")
    assert chosen((texts, picture)) == ("picture", None)


def test_the_default_audio_rendition_of_its_group_is_taken() -> None:
    audio = (Rendition("sound", "fr", "fr"), Rendition("sound", "en", "en", default=True), Rendition("other", "x", "x"))
    assert chosen((HIGH, LOW), audio) == ("low", "en")


def test_an_audio_rendition_without_uri_is_muxed() -> None:
    assert chosen((LOW,), (Rendition("sound", "en", None, default=True),)) == ("low", None)


def test_a_stream_of_sound_alone_is_watched_too() -> None:
    assert chosen((RADIO,)) == ("radio", None)


def test_no_variant_is_an_error() -> None:
    with pytest.raises(PlaylistError):
        choose(MultivariantPlaylist(()))


@pytest.mark.parametrize(
    ("variant", "announced"),
    [
        (LOW, {"video", "audio"}),
        (RADIO, {"audio"}),
        (Variant("x", 1, 144, "avc1.4d400c"), {"video"}),
        (Variant("x", 1, None, "avc1.4d400c,mp4a.40.2,stpp.ttml"), {"video", "audio"}),
        (Variant("x", 1, 144), {"video"}),
        (Variant("x", 1), set()),
        (Variant("x", 1, None, "vorbis, AC-4.02.01.01"), {"audio"}),
        (Variant("x", 1, None, "wvtt"), set()),
    ],
)
def test_codecs_and_resolution_announce_tracks(variant: Variant, announced: set[str]) -> None:
    assert choose(MultivariantPlaylist((variant,))).announced == announced


def test_an_audio_rendition_announces_sound() -> None:
    audio = (Rendition("sound", "en", "en", default=True),)
    picture = Variant("x", 1, 144, "avc1", "sound")
    assert choose(MultivariantPlaylist((picture,), audio)).announced == {"video", "audio"}
