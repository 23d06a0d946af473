# SPDX-License-Identifier: Apache-2.0
"""The stand-in as one object: starts the parts in order, keeps their tasks, writes kubeconfigs, mints tokens."""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from castwarden_base.tasks import Supervisor

from castwarden_local.private_files import write_private
from castwarden_local.standin.auth.certs import server_context
from castwarden_local.standin.auth.tokens import Tokens
from castwarden_local.standin.builtin.crds import resources_of
from castwarden_local.standin.builtin.table import built_in_resources, model_schema
from castwarden_local.standin.errors import AlreadyExists
from castwarden_local.standin.http.discovery import Discovery
from castwarden_local.standin.http.handlers import Handlers
from castwarden_local.standin.http.openapi import OpenApi
from castwarden_local.standin.http.reviews import Reviews
from castwarden_local.standin.http.server import Server
from castwarden_local.standin.interface import (
    CUSTOM_RESOURCE_DEFINITIONS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Api,
    LogSource,
    Object,
)
from castwarden_local.standin.local_api import LocalApi
from castwarden_local.standin.resources import Registry, Strategy
from castwarden_local.standin.storage.database import Database
from castwarden_local.standin.storage.records import Change
from castwarden_local.standin.storage.store import HISTORY_LIMIT, Store
from castwarden_local.standin.writing.garbage_collector import Collector
from castwarden_local.standin.writing.objects import Objects

NAMESPACES_FROM_THE_START = ("default", "kube-system")
_YEAR_SECONDS = 365 * 24 * 3600
_PING_SECONDS = 2.0
_DEFINITIONS = f"{CUSTOM_RESOURCE_DEFINITIONS.plural}.{CUSTOM_RESOURCE_DEFINITIONS.group}"


class Standin:
    """`await start()`, then `api`, `url`, `kubeconfig`; `await stop()`. A stopped one is not started again."""

    def __init__(
        self,
        database_url: str,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        history_limit: int = HISTORY_LIMIT,
    ) -> None:
        """Port 0 takes the port of the last run when it is free, else any. `data_dir` holds keys and `kubeconfig`."""
        self.host = host
        self.port = port
        self._folder = data_dir
        self._database = Database(database_url)
        self._registry = Registry(built_in_resources())
        self._strategies: dict[str, Strategy] = {each.storage: each.strategy for each in self._registry.all()}
        self._store = Store(self._database, self._fields, history_limit)
        self._objects = Objects(self._store, self._registry)
        self._collector = Collector(self._objects)
        self._local = LocalApi(self._objects)
        self._tasks = Supervisor()
        self._server: Server | None = None
        self._handlers: Handlers | None = None
        self._tokens: Tokens | None = None
        self._log_source: LogSource | None = None

    @property
    def api(self) -> Api:
        """The in-process API; see `interface.py`."""
        return self._local

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self._folder / "kubeconfig"

    @property
    def ca_file(self) -> Path:
        return self._folder / "ca.crt"

    def failure(self) -> str | None:
        """Why the stand-in no longer works, as a health reason."""
        return self._tasks.failure()

    async def start(self) -> None:
        """Raises `database.Taken`, OSError (port taken) and asyncpg's errors."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._store.open()
        for record in self._store.records(_DEFINITIONS):
            self._serve(record.load())
        self._store.observe(self._follow_definitions)
        self._store.observe(self._collector.absorb)
        await self._tasks.__aenter__()
        self._tasks.start("standin-store", self._store.run())
        self._tasks.start("standin-collector", self._collector.run())
        await self._make_namespaces()
        await self._listen()
        write_private(self.kubeconfig, self._kubeconfig(self._admin_token(), "default"))

    async def stop(self) -> None:
        """Ends every request and watch, then the tasks, then the connection."""
        if self._server is not None:
            await self._server.stop()
        await self._tasks.__aexit__()
        await self._database.close()

    def serve_logs(self, source: LogSource) -> None:
        """Where `kubectl logs` gets its lines from."""
        self._log_source = source
        if self._handlers is not None:
            self._handlers.log_source = source

    async def mint_token(
        self,
        namespace: str,
        service_account: str,
        audiences: Sequence[str] = (),
        expires_in: int = 3600,
        *,
        pod: Object | None = None,
    ) -> str:
        """See `interface.TokenMint`. Without audiences the token is for this API."""
        account = await self._local.get(SERVICE_ACCOUNTS, service_account, namespace)
        assert self._tokens is not None  # noqa: S101 - started
        return self._tokens.mint(account, audiences, expires_in, pod=pod)

    async def write_kubeconfig(
        self, path: Path, namespace: str, service_account: str, expires_in: int = _YEAR_SECONDS
    ) -> Path:
        """A kubeconfig that speaks as a ServiceAccount. Raises NotFound without such a ServiceAccount."""
        token = await self.mint_token(namespace, service_account, (), expires_in)
        write_private(path, self._kubeconfig(token, namespace))
        return path

    async def _listen(self) -> None:
        context = server_context(self._folder, self.host)
        self._tokens = Tokens(self._folder / "tokens.key", self._store)
        self._handlers = Handlers(self._objects, self._local, Reviews(self._local, self._tokens))
        self._handlers.log_source = self._log_source
        discovery, openapi = Discovery(self._registry), OpenApi(self._registry)
        self._server = Server(self._handlers, discovery, openapi, self._tokens, self._admin_token(), self._ready)
        remembered = self._folder / "port"
        wanted = self.port or (int(remembered.read_text()) if remembered.exists() else 0)
        try:
            self.port = await self._server.start(self.host, wanted, context)
        except OSError:
            if self.port:
                raise
            self.port = await self._server.start(self.host, 0, context)
        write_private(remembered, str(self.port).encode())

    async def _make_namespaces(self) -> None:
        resource = self._registry.find(NAMESPACES)
        for name in NAMESPACES_FROM_THE_START:
            try:
                await self._objects.make(resource, {"metadata": {"name": name}})
            except AlreadyExists:
                continue

    async def _ready(self) -> bool:
        return self.failure() is None and await self._database.ping(_PING_SECONDS)

    def _admin_token(self) -> str:
        path = self._folder / "admin.token"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32).encode())
        return path.read_text().strip()

    def _kubeconfig(self, token: str, namespace: str) -> bytes:
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        config: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "castwarden",
            "clusters": [
                {"name": "castwarden", "cluster": {"server": self.url, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "castwarden", "user": {"token": token}}],
            "contexts": [
                {
                    "name": "castwarden",
                    "context": {"cluster": "castwarden", "user": "castwarden", "namespace": namespace},
                }
            ],
        }
        return yaml.safe_dump(config, sort_keys=False).encode()

    def _fields(self, storage: str, obj: Object) -> dict[str, str]:
        return self._strategies.get(storage, _PLAIN).fields(obj)

    def _follow_definitions(self, change: Change) -> None:
        if change.record.key.resource != _DEFINITIONS:
            return
        if change.type == "DELETED":
            self._registry.replace(change.record.key.name, ())
        else:
            self._serve(change.record.load())

    def _serve(self, definition: Object) -> None:
        metadata = model_schema("V1ConfigMap")["properties"]["metadata"]
        self._registry.replace(definition["metadata"]["name"], resources_of(definition, metadata))


_PLAIN = Strategy()
