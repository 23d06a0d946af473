# SPDX-License-Identifier: Apache-2.0
"""The data directory: everything `castwarden up` keeps. One process at a time; its secrets are for its owner alone.

postgres/ sockets/    the database          kubeconfig           for kubectl
secrets/              generated once        volumes/             what claims hold, downloads among it
logs/                 one file per process  pods/                running Pods' own files
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from castwarden_local.errors import AlreadyRunning, DiskFull, LocalError
from castwarden_local.private_files import write_private


class DataDirectory:
    """`open()` takes it for this process until `close()`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self._lock: int | None = None

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def open(self) -> None:
        """Raises AlreadyRunning, DiskFull, LocalError."""
        with told(self.root):
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for name in ("logs", "secrets", "pods", "volumes"):
                (self.root / name).mkdir(exist_ok=True, mode=0o700)
            self._lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(self._lock, 32).decode("ascii", "replace").strip()
                self.close()
                raise AlreadyRunning(
                    f"another castwarden (process {holder}) uses {self.root}; stop it or choose another --data"
                ) from None
            os.ftruncate(self._lock, 0)
            os.write(self._lock, f"{os.getpid()}\n".encode())

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name, made and kept at the first call. Raises DiskFull, LocalError."""
        path = self.root / "secrets" / name
        with told(self.root):
            if not path.exists():
                write_private(path, make().encode())
            return path.read_text("ascii")


@contextmanager
def told(directory: Path) -> Iterator[None]:
    """Turns the file system's refusals into one line for the person at the terminal."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left on the device of {directory}") from error
        raise LocalError(f"cannot use {directory}: {error.strerror}: {error.filename}") from error
