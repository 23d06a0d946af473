# SPDX-License-Identifier: Apache-2.0
"""Segments that are not what they seem: each is an error of that segment, none stops the watching."""

from collections.abc import Callable

import pytest
from castwarden_local.origin.encode import Encoded
from castwarden_model.resources.checks import Checks
from castwarden_worker.monitor.checks import CheckSet
from castwarden_worker.monitor.media import read_init
from castwarden_worker.monitor.playlist import Segment
from castwarden_worker.monitor.sight import decode
from castwarden_worker.monitor.sight.analyzer import Analysis, Analyzer

Media = Callable[..., Encoded]
WALL = 1e9


def analyzed(segments: list[bytes], *, full: bool = False, init: bytes = b"", **more: object) -> list[Analysis]:
    analyzer = Analyzer(CheckSet(Checks()))
    analyzer.set_depth("Full" if full else "Adaptive")
    made = read_init(init) if init else None
    return [
        analyzer.analyze(Segment(number, "x", 2.0, **more), data, made, WALL + 2 * number)  # type: ignore[arg-type]
        for number, data in enumerate(segments)
    ]


def segments_of(encoded: Encoded) -> list[bytes]:
    return [(encoded.folder / segment.uri).read_bytes() for segment in encoded.main.segments]


def test_whole_segments_follow_each_other_on_one_line(media: Media) -> None:
    found = analyzed(segments_of(media(segment_seconds=2.0)))
    assert [analysis.seen.at.media for analysis in found] == pytest.approx([0, 2, 4], abs=0.01)
    assert [analysis.seen.error for analysis in found] == [None, None, None]
    assert all(analysis.seen.video and analysis.seen.audio for analysis in found)


def test_media_time_goes_on_over_a_segment_that_is_rubbish(media: Media) -> None:
    first, second, third = segments_of(media(segment_seconds=2.0))
    found = analyzed([first, b"rubbish", third])
    assert [analysis.seen.at.media for analysis in found] == pytest.approx([0, 2, 4], abs=0.01)
    assert found[1].seen.remark == "neither MPEG-TS nor fragmented MP4 nor packed audio"
    found = analyzed([first, b"<html>", second])
    assert found[1].seen.error == "a web page instead of a segment"
    assert found[2].seen.at.media == pytest.approx(4, abs=0.01)


def test_a_well_formed_segment_with_half_of_its_media_is_an_error(media: Media) -> None:
    whole = segments_of(media(segment_seconds=2.0))[0]
    half = whole[: len(whole) // 4 // 188 * 188]
    (found,) = analyzed([half])
    assert found.seen.error is not None
    assert "of 2.0 s" in found.seen.error


@pytest.mark.parametrize("full", [False, True])
def test_a_picture_larger_than_any_television_is_not_decoded(
    media: Media, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "_MAX_PIXELS", 320 * 180 - 1)
    found = analyzed(segments_of(media(segment_seconds=2.0)), full=full)
    assert found[0].seen.error == "its picture cannot be decoded"


def test_a_segment_that_claims_endless_samples_is_refused(media: Media) -> None:
    encoded = media(container="fmp4", segment_seconds=2.0)
    section = encoded.main.segments[0].init
    assert section is not None
    init = (encoded.folder / section.uri).read_bytes()
    data = segments_of(encoded)[0]
    at = data.index(b"trun") + 8
    (found,) = analyzed([data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]], init=init)
    assert found.seen.error is not None
    assert "malformed" in found.seen.error
