# SPDX-License-Identifier: Apache-2.0
"""Files that programs' output goes to: bounded by rotation, and never a reason to fail when the disk is full."""

import json
import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path


class RotatedFile:
    """Appends; beyond `limit_bytes` the file becomes `<name>.1` and a new one begins, so two are kept at most."""

    def __init__(self, path: Path, limit_bytes: int = 10 * 1024 * 1024) -> None:
        self.path = path
        self.lost_lines = 0
        self._limit = limit_bytes
        self._handle: int | None = None
        self._size = 0

    @property
    def rotated(self) -> Path:
        return self.path.with_name(self.path.name + ".1")

    def append(self, line: bytes) -> None:
        """One write per line, so a reader never sees half of one. What a full disk refuses is counted, not raised."""
        try:
            if self._handle is None:
                self._open()
            elif self._size + len(line) > self._limit:
                self.close()
                self.path.replace(self.rotated)
                self._open()
            assert self._handle is not None  # noqa: S101 - opened above
            written = os.write(self._handle, line)
            if written < len(line):  # the disk became full in the middle of it
                os.ftruncate(self._handle, self._size)
                self.lost_lines += 1
            else:
                self._size += written
        except OSError:
            self.lost_lines += 1

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._handle).st_size


class JsonLog:
    """The log of one supervised process, one JSON object per line; remembers the last lines for error messages."""

    def __init__(self, directory: Path, name: str) -> None:
        self._file = RotatedFile(directory / f"{name}.log")
        self._name = name
        self._last: deque[str] = deque(maxlen=20)

    @property
    def path(self) -> Path:
        return self._file.path

    def __call__(self, line: bytes) -> None:
        if not line.strip():
            return
        text = line.decode("utf-8", "replace")
        self._last.append(text)
        if not line.startswith(b"{"):
            entry = {"event": text, "logger": self._name, "timestamp": datetime.now(UTC).isoformat()}
            line = json.dumps(entry).encode()
        self._file.append(line + b"\n")

    def last_lines(self) -> list[str]:
        return list(self._last)

    def close(self) -> None:
        self._file.close()
