# SPDX-License-Identifier: Apache-2.0
"""What ffmpeg is told to write into a file."""

from pathlib import Path

import pytest
from castwarden_worker.download.embed import command, tags_of

TAGS = tags_of("dQw4w9WgXcQ", "Evening news", "Channel", "20261120")


def argv(name: str, cover: str | None = None) -> list[str]:
    made = command("ffmpeg", Path(name), Path(f"tagged-{name}"), TAGS, Path(cover) if cover else None)
    assert made
    return list(made)


def test_title_channel_date_and_id_are_written() -> None:
    text = " ".join(argv("film.mp4"))
    for tag in ("title=Evening news", "artist=Channel", "album_artist=Channel", "date=20261120", "comment=dQw4w9WgXcQ"):
        assert f"-metadata {tag}" in text


def test_what_is_not_known_is_not_written() -> None:
    assert tags_of("id", "T", None, None) == {"title": "T", "comment": "id"}


def test_streams_are_copied_never_encoded() -> None:
    assert " ".join(argv("film.mp4", "cover.jpg")).count("-c copy") == 1


def test_a_downloaded_file_cannot_make_ffmpeg_open_anything_but_media_files() -> None:
    made = argv("film.mp4", "cover.jpg")
    for position, argument in enumerate(made):
        if argument == "-i":
            assert made[position - 4 : position - 1] == ["-protocol_whitelist", "file", "-format_whitelist"]
            assert "hls" not in made[position - 1]
            assert made[position + 1].startswith("file:")


def test_a_cover_goes_in_as_each_container_wants_it() -> None:
    assert "attached_pic" in argv("film.mp4", "cover.jpg")
    assert "-attach" in argv("film.mkv", "cover.jpg")
    assert "mimetype=image/png" in argv("film.mkv", "cover.png")


@pytest.mark.parametrize(("name", "cover"), [("film.webm", "cover.jpg"), ("film.mp4", "cover.webp")])
def test_a_cover_that_the_container_cannot_hold_is_left_out(name: str, cover: str) -> None:
    assert not any("cover" in argument for argument in argv(name, cover))


def test_a_file_that_can_hold_no_tags_is_left_as_it_is() -> None:
    assert command("ffmpeg", Path("film.ts"), Path("x.ts"), TAGS, None) is None
