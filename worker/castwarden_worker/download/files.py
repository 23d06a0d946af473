# SPDX-License-Identifier: Apache-2.0
"""Where a download lies while it grows, and how it gets its final name: at once, whole, and never over another file."""

import errno
import fcntl
import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from castwarden_base.logs import get_logger
from castwarden_model.resources.downloadjob import DownloadResult
from pydantic import BaseModel, ValidationError

from ..errors import WorkerError
from ..outbox import write_durably

log = get_logger(__name__)
STAGING = ".staging"
_STALE_SECONDS = 24 * 3600
_LONGEST_NAME = 255  # bytes, in every common file system
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')


class Finished(BaseModel):
    """Written before the file gets its final name, so that a restarted worker knows which file is its own."""

    staged: str
    result: DownloadResult


class Busy(WorkerError):
    """Another worker is at the same download, on this machine or through a shared volume."""


@dataclass(frozen=True, slots=True)
class Staging:
    """One download's folder below `.staging`; the same for every retry, and one worker's at a time until `close`."""

    root: Path
    folder: Path
    lock: int

    @classmethod
    def of(cls, root: Path, uid: str) -> "Staging":
        """The folder for the resource `uid`; made when missing. Folders untouched for a day are removed."""
        folder = root / STAGING / safe(uid, 64)
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        for other in (root / STAGING).iterdir():
            if other != folder and _newest(other) < time.time() - _STALE_SECONDS:
                log.info("staging_removed", path=str(other))
                shutil.rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)
        return cls(root, folder, lock)

    def stamp(self) -> str:
        """The time in the staging names: the first try's, so that a later one finds what is there already."""
        path = self.folder / "stamp"
        if not path.exists():
            write_durably(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}".encode())
        return path.read_text("ascii")

    def finish(self, staged: Path, media_id: str, title: str) -> DownloadResult:
        """Gives `staged` its final name and returns what is then in place."""
        size, digest = staged.stat().st_size, settle(staged)
        target = free_name(self.root, title, media_id, staged.suffix.removeprefix("."), size, digest)
        result = DownloadResult(path=target.name, bytes=size, sha256=digest, media_id=media_id, title=title)
        write_durably(self._record, Finished(staged=staged.name, result=result).model_dump_json().encode())
        place(staged, target)
        return result

    def finished(self) -> DownloadResult | None:
        """The result of an earlier try that ended before it could tell; its last step is made up for."""
        try:
            record = Finished.model_validate_json(self._record.read_bytes())
        except (OSError, ValidationError):
            return None
        target, staged = self.root / record.result.path, self.folder / record.staged
        if not is_same(target, record.result.bytes, record.result.sha256):
            if target.exists() or not is_same(staged, record.result.bytes, record.result.sha256):
                return None
            place(staged, target)
        return record.result

    def clear(self) -> None:
        """Nothing more will come of this folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Lets others in."""
        os.close(self.lock)

    @property
    def _record(self) -> Path:
        return self.folder / "finished.json"


def safe(text: str, longest: int) -> str:
    """`text` as a part of a file name: at most `longest` characters, nothing that any file system refuses."""
    cleaned = " ".join(_UNSAFE.sub(" ", text).split())
    return cleaned[:longest].strip(" .") or "untitled"


def final_name(title: str, media_id: str, ext: str, number: int = 1) -> str:
    """`<title> [<id>].<ext>`: at most 100 characters of title, and fewer when their bytes do not fit."""
    tail = f" [{safe(media_id, 64)}]" + (f" ({number})" if number > 1 else "") + (f".{ext}" if ext else "")
    room = _LONGEST_NAME - len(tail.encode())
    return safe(title, 100).encode()[:room].decode(errors="ignore").rstrip(" .") + tail


def free_name(root: Path, title: str, media_id: str, ext: str, size: int, digest: str) -> Path:
    """The first name that is free, or that already holds these very bytes."""
    number = 1
    while True:
        path = root / final_name(title, media_id, ext, number)
        if not path.exists() or is_same(path, size, digest):
            return path
        number += 1


def place(staged: Path, target: Path) -> None:
    """Renames without ever overwriting: FileExistsError when somebody else took the name meanwhile."""
    if target.exists():
        staged.unlink()  # the very same bytes are there, see free_name
        return
    try:
        os.link(staged, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS):
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))  # no hard links here: take the name
        staged.rename(target)
    else:
        staged.unlink()
    _sync(target.parent)


def settle(path: Path) -> str:
    """The file's SHA-256, once its bytes are on disk."""
    _sync(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_same(path: Path, size: int, digest: str) -> bool:
    """Whether `path` holds exactly these bytes."""
    return path.is_file() and path.stat().st_size == size and settle(path) == digest


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    """Raises Busy. A file system without locks is taken at its word that nobody else is there."""
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Busy("another worker is at this download") from None
    except OSError as error:
        log.info("no_file_locks", error=str(error))
    return handle


def _newest(path: Path) -> float:
    """When anything below `path` last changed; now, when something is changing at this moment."""
    try:
        return max(entry.stat().st_mtime for entry in (path, *path.rglob("*")))
    except FileNotFoundError:
        return time.time()
