# SPDX-License-Identifier: Apache-2.0
"""The gateway and the operator as `castwarden up` runs them: their commands, their settings, how they get ready."""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from castwarden_base.logs import get_logger

from castwarden_local.errors import PortTaken, StartFailed
from castwarden_local.outputs import JsonLog
from castwarden_local.processes import STACK_MARK, Command, Supervised
from castwarden_local.runner.environment import SEARCH_PATH

log = get_logger(__name__)
HOST = "127.0.0.1"
DOWNLOAD_CLAIM = "castwarden-downloads"
NAMESPACE = "default"
READY_SECONDS = 90.0
_SERVING = range(20_000, 32_768)  # below what Linux (32768) and macOS (49152) give to outgoing connections
_TRIES = 100
GIVE_UP_AFTER = 3  # ends of a process that has never been ready


@dataclass(frozen=True, slots=True)
class Settings:
    """What both processes are told."""

    data: Path
    database_url: str
    kubeconfig: Path
    secret_key: str
    port: int
    internal_port: int
    operator_port: int
    allow_private: Sequence[str]
    downloads: bool
    extra: Mapping[str, str]

    @property
    def internal_url(self) -> str:
        return f"http://{HOST}:{self.internal_port}"


def gateway_command(settings: Settings, api_key: str | None) -> Command:
    env = {
        "DATABASE_URL": settings.database_url,
        "CASTWARDEN_SECRET_KEY": settings.secret_key,
        "CASTWARDEN_HOST": HOST,
        "PORT": str(settings.port),
        "INTERNAL_PORT": str(settings.internal_port),
        "CASTWARDEN_DRAIN_SECONDS": "0",  # no load balancer has to notice first
    }
    if api_key:
        env["API_KEY"] = api_key
    return _command("castwarden_gateway", settings, env)


def operator_command(settings: Settings) -> Command:
    env = {
        "CASTWARDEN_HEALTH_HOST": HOST,
        "CASTWARDEN_HEALTH_PORT": str(settings.operator_port),
        "CASTWARDEN_LEADER_ELECTION": "false",  # only one can ever run here
        "CASTWARDEN_GATEWAY_URL": settings.internal_url,
        "CASTWARDEN_DOWNLOAD_CLAIM": DOWNLOAD_CLAIM,
    }
    return _command("castwarden_operator", settings, env)


def _command(module: str, settings: Settings, own: Mapping[str, str]) -> Command:
    """The person's environment may carry more settings (RATE_LIMIT, MAX_MONITORS …); what is decided here wins."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KUBERNETES_")}
    shared = {
        "PATH": f"{SEARCH_PATH}:{os.environ.get('PATH', '')}",
        "KUBECONFIG": str(settings.kubeconfig),
        "CASTWARDEN_NAMESPACE": NAMESPACE,
        "CASTWARDEN_OUTBOUND_ALLOW": ",".join(settings.allow_private),
        "DOWNLOADS_ENABLED": json.dumps(settings.downloads),
        STACK_MARK: str(settings.data),
    }
    for name in ("DB_DSN", "API_KEY"):
        inherited.pop(name, None)
    argv = [sys.executable, "-P", "-m", module]
    return Command(argv, {**inherited, **shared, **settings.extra, **own}, cwd=settings.data)


async def until_ready(name: str, url: str, process: Supervised, output: JsonLog) -> None:
    """Raises StartFailed with what it last said of itself and the end of its log."""
    answer: str | None = "no answer"
    try:
        async with asyncio.timeout(READY_SECONDS), aiohttp.ClientSession() as session:
            while answer is not None and process.restarts < GIVE_UP_AFTER:
                await asyncio.sleep(0.05)
                answer = await _unready(session, url)
    except TimeoutError:
        pass
    if answer is not None:
        raise StartFailed(f"the {name} did not get ready: {answer}; {output.path} ends with: {_end(output)}")


async def kill_when_hung(name: str, url: str, process: Supervised, every: float = 10.0, misses: int = 3) -> None:
    """What a cluster's liveness probe does: ends a process that lives and no longer answers. Never returns."""
    timeout = aiohttp.ClientTimeout(total=every / 2)
    missed = 0
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            await asyncio.sleep(every)
            pid = process.pid
            answer = await _unready(session, url)
            missed = missed + 1 if answer and pid is not None else 0
            if missed >= misses and pid is not None and pid == process.pid:
                log.warning("process_hung", process=name, answer=answer)
                os.kill(pid, signal.SIGKILL)
                missed = 0


async def _unready(session: aiohttp.ClientSession, url: str) -> str | None:
    try:
        async with session.get(url) as response:
            return None if response.status == 200 else await response.text()
    except (aiohttp.ClientError, TimeoutError):
        return "no answer"


def _end(output: JsonLog) -> str:
    return " | ".join(output.last_lines()[-3:]) or "nothing"


def choose_port(wanted: int, option: str) -> int:
    """A free port instead of 0, out of the reach of outgoing connections: a process that restarts finds it free again.

    Raises PortTaken.
    """
    for port in [wanted] if wanted else random.sample(_SERVING, _TRIES):
        try:
            _try_port(port)
        except OSError as error:
            refused = error
        else:
            return port
    raise PortTaken(f"port {port} cannot be used ({refused.strerror}); choose another with {option}") from refused


def _try_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((HOST, port))
        probe.listen(1)
