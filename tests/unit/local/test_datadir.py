# SPDX-License-Identifier: Apache-2.0
"""The data directory: one holder, secrets made once, and refusals that a person understands."""

import errno
import os
from pathlib import Path

import pytest
from castwarden_local.datadir import DataDirectory, told
from castwarden_local.errors import AlreadyRunning, DiskFull, LocalError


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.open()
    with pytest.raises(AlreadyRunning, match=rf"\(process {os.getpid()}\) uses {tmp_path}; stop it or choose"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    directory.open()
    values = iter(["first", "second"])
    assert [directory.secret("key", lambda: next(values)) for _ in range(2)] == ["first", "first"]
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o777 == 0o600
    directory.close()


def test_a_directory_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(LocalError, match=r"^cannot use /dev/null/data: Not a directory"):
        DataDirectory(Path("/dev/null/data")).open()


def test_a_full_disk_is_called_that() -> None:
    with pytest.raises(DiskFull, match="no space left on the device of /data"), told(Path("/data")):
        raise OSError(errno.ENOSPC, "No space left on device")
