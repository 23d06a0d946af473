# SPDX-License-Identifier: Apache-2.0
"""Names and places of downloaded files."""

import errno
import os
import time
from pathlib import Path

import pytest
from castwarden_worker.download.files import STAGING, Busy, Staging, final_name, free_name, place, safe, settle


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Evening news", "Evening news"),
        ("../../etc/passwd", "etc passwd"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j"),
        ("line\nbreak\ttab\0nul", "line break tab nul"),
        ("  ...hidden. ", "hidden"),
        ("", "untitled"),
        ("///", "untitled"),
        ("Überraschung 🎉", "Überraschung 🎉"),
    ],
)
def test_a_title_becomes_a_name_that_every_file_system_takes(text: str, name: str) -> None:
    assert safe(text, 100) == name


def test_a_name_is_title_id_and_container() -> None:
    assert final_name("Evening news", "dQw4w9WgXcQ", "webm") == "Evening news [dQw4w9WgXcQ].webm"


def test_a_long_title_is_cut_at_100_characters() -> None:
    assert final_name("t" * 300, "id", "mp4") == "t" * 100 + " [id].mp4"


@pytest.mark.parametrize("character", ["🎉", "あ", "é", "e\u0301"])
def test_a_name_never_exceeds_255_bytes_whatever_the_script(character: str) -> None:
    name = final_name(character * 100, "あ" * 60, "mp4", 12)
    assert len(name.encode()) <= 255
    assert name.endswith("] (12).mp4")


def staging(root: Path) -> Staging:
    """What a worker has that just began; nobody holds the folder."""
    found = Staging.of(root, "uid-1")
    found.close()
    return found


def staged(root: Path, content: bytes = b"film") -> Path:
    path = staging(root).folder / "id_20261120T000000Z.mp4"
    path.write_bytes(content)
    return path


def test_a_finished_file_is_in_place_and_its_staging_is_empty_after_clearing(tmp_path: Path) -> None:
    file = staged(tmp_path)
    result = staging(tmp_path).finish(file, "id", "Title")
    assert (tmp_path / result.path).read_bytes() == b"film"
    assert (result.path, result.bytes, result.sha256) == ("Title [id].mp4", 4, settle(tmp_path / result.path))
    staging(tmp_path).clear()
    assert list((tmp_path / STAGING).iterdir()) == []


def test_the_result_is_known_again_until_it_is_cleared(tmp_path: Path) -> None:
    result = staging(tmp_path).finish(staged(tmp_path), "id", "Title")
    assert staging(tmp_path).finished() == result
    staging(tmp_path).clear()
    assert staging(tmp_path).finished() is None


@pytest.mark.parametrize("step", ["before the link", "after the link"])
def test_a_crash_around_the_last_step_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(source: Path, target: Path) -> None:
        if step == "after the link":
            os.link(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("castwarden_worker.download.files.place", crash)
        with pytest.raises(KeyboardInterrupt):
            staging(tmp_path).finish(staged(tmp_path), "id", "Title")
    result = staging(tmp_path).finished()
    assert result
    assert (tmp_path / result.path).read_bytes() == b"film"


def test_a_result_whose_file_was_changed_or_taken_away_is_no_result(tmp_path: Path) -> None:
    result = staging(tmp_path).finish(staged(tmp_path), "id", "Title")
    (tmp_path / result.path).write_bytes(b"other")
    assert staging(tmp_path).finished() is None
    (tmp_path / result.path).unlink()
    assert staging(tmp_path).finished() is None


def test_the_name_of_another_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Title [id].mp4").write_bytes(b"mine")
    (tmp_path / "Title [id] (2).mp4").write_bytes(b"mine too")
    result = staging(tmp_path).finish(staged(tmp_path), "id", "Title")
    assert result.path == "Title [id] (3).mp4"
    assert (tmp_path / "Title [id].mp4").read_bytes() == b"mine"


def test_the_very_same_file_is_kept_once(tmp_path: Path) -> None:
    (tmp_path / "Title [id].mp4").write_bytes(b"film")
    file = staged(tmp_path)
    result = staging(tmp_path).finish(file, "id", "Title")
    assert result.path == "Title [id].mp4"
    assert not file.exists()


def test_a_name_taken_at_the_last_moment_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, target = staged(tmp_path), tmp_path / "taken.mp4"
    real = os.link

    def take(source: Path, to: Path) -> None:
        target.write_bytes(b"mine")
        real(source, to)

    monkeypatch.setattr("castwarden_worker.download.files.os.link", take)
    with pytest.raises(FileExistsError):
        place(file, target)
    assert target.read_bytes() == b"mine"


def test_without_hard_links_the_file_still_lands_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("castwarden_worker.download.files.os.link", refuse)
    place(staged(tmp_path), tmp_path / "film.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == b"film"


def test_staging_that_nobody_touched_for_a_day_is_removed_and_the_rest_stays(tmp_path: Path) -> None:
    old, young, mine = (tmp_path / STAGING / uid for uid in ("old", "young", "uid-1"))
    for folder in (old, young, mine):
        folder.mkdir(parents=True)
    yesterday = time.time() - 25 * 3600
    for folder in (old, mine):
        (folder / "part").write_bytes(b"x")
        os.utime(folder / "part", (yesterday, yesterday))
        os.utime(folder, (yesterday, yesterday))
    staging(tmp_path)
    assert not old.exists()
    assert young.exists()
    assert (mine / "part").exists()


def test_two_workers_are_never_at_one_download(tmp_path: Path) -> None:
    first = Staging.of(tmp_path, "uid-1")
    Staging.of(tmp_path, "uid-2").close()
    with pytest.raises(Busy):
        Staging.of(tmp_path, "uid-1")
    first.close()
    Staging.of(tmp_path, "uid-1").close()


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("castwarden_worker.download.files.fcntl.flock", refuse)
    Staging.of(tmp_path, "uid-1").close()


def test_every_try_of_one_download_uses_the_same_names(tmp_path: Path) -> None:
    assert staging(tmp_path).stamp() == staging(tmp_path).stamp()


def test_free_name_skips_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "Title [id].mp4").mkdir()
    assert free_name(tmp_path, "Title", "id", "mp4", 4, "x").name == "Title [id] (2).mp4"
