# SPDX-License-Identifier: Apache-2.0
"""kopf, used for what it is best at: watches that survive 410, 429, broken connections and expired credentials.

Only `on.event` handlers, so kopf writes nothing: no finalizers, no annotations, no peering, no Events.
"""

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import kopf
from kubernetes.aio.client import Configuration

from .kinds import CHILD_SELECTOR, CHILDREN, RESOURCES, Kind
from .kube import load_configuration
from .observe import Observer
from .settings import Settings

_PREFIX = "operator.castwarden.dev"


class _EndlessBackoff:
    """kopf would end the process when its delays run out; an API server may be away for longer."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load
            delay = min(30.0, delay * 1.6)


async def watch(observer: Observer, settings: Settings, stop: Callable[[], None]) -> None:
    """Feed the observer until cancelled. Raises when kopf gives up. `stop` is called on SIGTERM and SIGINT."""
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it tells of every event of every object
    started = asyncio.Event()
    signals = asyncio.create_task(_take_signals_back(started, stop))
    try:
        await kopf.operator(
            registry=_registry(observer),
            settings=_kopf_settings(),
            standalone=True,
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
            ready_flag=started,
        )
        stop()  # a signal reached kopf before it was taken back
        await asyncio.Event().wait()
    finally:
        signals.cancel()


async def _take_signals_back(started: asyncio.Event, stop: Callable[[], None]) -> None:
    """kopf handles signals by itself, which would leave our own tasks and the lease behind."""
    await started.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _registry(observer: Observer) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="login")(_login)
    for kind in (*CHILDREN, *RESOURCES):
        kopf.on.event(kind.api_version, kind.plural, id=kind.plural, registry=registry)(_handler(observer, kind))
    return registry


def _handler(observer: Observer, kind: Kind) -> Any:
    async def handle(event: dict[str, Any], **_: Any) -> None:
        observer.seen(kind, event["type"], {**event["object"], "apiVersion": kind.api_version, "kind": kind.name})

    return handle


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{_PREFIX}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=_PREFIX)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=_PREFIX)
    settings.networking.error_backoffs = _EndlessBackoff()
    settings.networking.request_timeout = 60.0
    settings.networking.connect_timeout = 10.0
    settings.watching.server_timeout = 300  # a whole number: the API server parses no other
    settings.watching.chunk_size = 500
    settings.process.ultimate_exiting_timeout = 20.0
    for kind in CHILDREN:
        settings.watching.label_selectors[kind.plural] = CHILD_SELECTOR
    return settings


async def _login(**_: Any) -> kopf.ConnectionInfo:
    """Asked for at the start and after a 401, so a rotated token is read again."""
    configuration: Configuration = await load_configuration()
    scheme, token = _authorization(await configuration.get_api_key_with_prefix("BearerToken"))
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme=scheme,
        token=token,
        proxy_url=configuration.proxy,
    )


def _authorization(header: str | None) -> tuple[str | None, str | None]:
    """`Bearer abc` in two."""
    scheme, _, token = (header or "").strip().partition(" ")
    return (scheme or None, token or None)
