# SPDX-License-Identifier: Apache-2.0
"""HLS playlists that are made to cost much: what they cost is bounded by what they are."""

import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls import tags
from castwarden_worker.monitor.hls.reader import parse_media

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"


class Counted:
    """A pattern that counts the characters that it is shown."""

    def __init__(self) -> None:
        self.seen = 0

    def sub(self, by: str, text: str) -> str:
        self.seen += len(text)
        return text.replace(" ", by)


def test_a_date_of_64_kib_is_none_and_no_pattern_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "_ZONE_APART", pattern := Counted())
    playlist = parse_media(f"{HEAD}#EXT-X-PROGRAM-DATE-TIME:2{' ' * 65_000}x\n#EXTINF:4,\na.ts\n".encode())
    assert playlist.segments[0].program_time is None
    assert pattern.seen == 0


def test_the_longest_date_that_is_written_is_read() -> None:
    written = "2026-11-20T10:00:00.123456789" + " " * 29 + "+00:00"
    assert len(written) == 64
    assert tags.unix_time(written) == pytest.approx(1795168800.123, abs=0.01)
    assert tags.unix_time(written.replace("+", " +")) is None


def test_variables_may_fill_four_megabytes_of_a_playlist_and_no_more() -> None:
    head = f'{HEAD}#EXT-X-DEFINE:NAME="a",VALUE="{"v" * 4_096}"\n'
    assert len(parse_media((head + "#EXTINF:1,\n{$a}\n" * 1024).encode()).segments) == 1024
    with pytest.raises(PlaylistError, match="more than 4194304 characters in all"):
        parse_media((head + "#EXTINF:1,\n{$a}\n" * 1025).encode())
