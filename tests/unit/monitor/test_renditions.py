# SPDX-License-Identifier: Apache-2.0
"""Which renditions are watched."""

import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.playlist import MultivariantPlaylist, Rendition, Variant
from castwarden_worker.monitor.renditions import Choice, choose

HIGH = Variant("high", 5_000_000, 1080, "avc1,mp4a", "sound")
LOW = Variant("low", 300_000, 144, "avc1,mp4a", "sound")
RADIO = Variant("radio", 64_000, None, "mp4a.40.2", "sound")


def test_the_smallest_picture_is_taken_and_a_variant_of_sound_alone_is_not() -> None:
    assert choose(MultivariantPlaylist((HIGH, RADIO, LOW))) == Choice("low")


def test_the_default_audio_rendition_of_its_group_is_taken() -> None:
    audio = (Rendition("sound", "fr", "fr"), Rendition("sound", "en", "en", default=True), Rendition("other", "x", "x"))
    assert choose(MultivariantPlaylist((HIGH, LOW), audio)) == Choice("low", "en")


def test_an_audio_rendition_without_uri_is_muxed() -> None:
    assert choose(MultivariantPlaylist((LOW,), (Rendition("sound", "en", None, default=True),))) == Choice("low")


def test_a_stream_of_sound_alone_is_watched_too() -> None:
    assert choose(MultivariantPlaylist((RADIO,))) == Choice("radio")


def test_no_variant_is_an_error() -> None:
    with pytest.raises(PlaylistError):
        choose(MultivariantPlaylist(()))
