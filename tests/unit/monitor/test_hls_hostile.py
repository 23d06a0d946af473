# SPDX-License-Identifier: Apache-2.0
"""HLS playlists that are made to cost much: what they cost is bounded by what they are."""

from contextlib import suppress
from itertools import product

import pytest
from castwarden_worker.monitor.errors import PlaylistError
from castwarden_worker.monitor.hls import reader, tags
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


def test_the_query_of_the_url_is_taken_apart_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def split(query: str, **_: bool) -> list[tuple[str, str]]:
        asked.append(query)
        return [("a", "seen")]

    monkeypatch.setattr(reader, "parse_qsl", split)
    text = HEAD + '#EXT-X-DEFINE:QUERYPARAM="a"\n' * 500 + "#EXTINF:1,\n{$a}\n"
    assert parse_media(text.encode(), url="https://o.example/a?a=1").segments[0].uri == "seen"
    assert asked == ["a=1"]


SKIPPING = HEAD + "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=86400\n"


def segments(count: int, uri: str = "a", before: str = "") -> str:
    return f"{before}#EXTINF:1,\n{uri}\n" * count


def delta(skipped: int, more: str) -> bytes:
    return f"{SKIPPING}#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}\n{more}".encode()


def test_a_playlist_has_at_most_50_000_segments() -> None:
    assert len(parse_media((HEAD + segments(50_000)).encode()).segments) == 50_000
    with pytest.raises(PlaylistError, match="line 100004: more than 50000 segments"):
        parse_media((HEAD + segments(50_001)).encode())


def test_what_a_delta_update_skips_counts_as_well() -> None:
    known = parse_media((SKIPPING + segments(49_999)).encode())
    known = parse_media(delta(49_999, segments(1)), previous=known)
    assert len(known.segments) == 50_000
    with pytest.raises(PlaylistError, match="more than 50000 segments"):
        parse_media(delta(50_000, segments(1)), previous=known)


@pytest.mark.parametrize(
    "more",
    [
        segments(240, "u" * 16_000),
        segments(240, before=f'#EXT-X-KEY:METHOD=AES-128,URI="{"k" * 16_000}"\n'),
        segments(240, before=f'#EXT-X-MAP:URI="{"m" * 16_000}"\n'),
        segments(12, before='#EXT-X-PART:URI="a",DURATION=1\n' * 9_000),
    ],
    ids=["URIs", "keys", "init sections", "parts"],
)
def test_delta_updates_do_not_add_up_without_end(more: str) -> None:
    known, refused = parse_media((SKIPPING + more).encode()), ""
    for _ in range(6):
        try:
            known = parse_media(delta(len(known.segments), more), previous=known)
        except PlaylistError as error:
            refused = str(error)
            break
    assert "has grown too large" in refused


def test_one_key_of_a_long_playlist_counts_once() -> None:
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{"k" * 1_000}"\n'
    known = parse_media((SKIPPING + key + segments(49_000)).encode())
    assert len(parse_media(delta(49_000, segments(9)), previous=known).segments) == 49_009


# What takes the square of a line (half a minute for one of 64 KiB) would need minutes for these.
PIECES = ["A", "A=", 'A="', 'A=",', 'A="",', "A ", "A= ", "=", '"', ",", "{$", "{$a", "-", "1", "1:", "@"]
TAGS = list(reader._Reader("", {}, None)._handlers)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", TAGS)
def test_no_tag_takes_the_square_of_a_line(name: str) -> None:
    for piece, (first, last) in product(PIECES, (("", ""), ("A", "x"), ('URI="', '"x'))):
        read_lines(f"{name}:{(first + piece * 65_000)[:65_000]}{last}\n" * 3)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", TAGS)
@pytest.mark.parametrize("space", [" ", "\t", "\u2003"])
def test_no_tag_takes_the_square_of_its_spaces(name: str, space: str) -> None:
    for first, last in product(("2", "A", "A=", 'A="', "1@", "2026-01-01T00:00:00"), ("x", "Z x", "=", '"')):
        read_lines(f"{name}:{first}{space * 65_000}{last}\n" * 3)


def read_lines(lines: str) -> None:
    with suppress(PlaylistError):
        parse_media(f"{HEAD}{lines}#EXTINF:4,\na.ts\n".encode())
