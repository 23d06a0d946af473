# SPDX-License-Identifier: Apache-2.0
"""The API server as the operator uses it: JSON over the official client's connection, counted and throttled."""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_incluster_config, load_kube_config

from .errors import ApiError
from .kinds import Kind, Object
from .metrics import Metrics
from .throttle import TokenBucket

FIELD_MANAGER = "castwarden-operator"
_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
_PAGE = 500


async def load_configuration() -> Configuration:
    """Where the API server is and how to prove who we are: from KUBECONFIG, else from the Pod, else from ~/.kube."""
    configuration = Configuration()
    if "KUBECONFIG" not in os.environ and "KUBERNETES_SERVICE_HOST" in os.environ:
        load_incluster_config(client_configuration=configuration)
    else:
        await load_kube_config(config_file=os.environ.get("KUBECONFIG"), client_configuration=configuration)
    return configuration


@asynccontextmanager
async def connect(metrics: Metrics, bucket: TokenBucket | None) -> AsyncIterator["Api"]:
    """An Api that is closed at the end. Its writes wait for the bucket, if there is one."""
    api = Api(ApiClient(await load_configuration()), metrics, bucket)
    try:
        yield api
    finally:
        await api.close()


class Api:
    """Every call raises ApiError, with status 0 when there was no answer."""

    def __init__(self, client: ApiClient, metrics: Metrics, bucket: TokenBucket | None = None) -> None:
        self._client = client
        self._metrics = metrics
        self._bucket = bucket

    async def close(self) -> None:
        await self._client.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None when there is none."""
        try:
            return await self.request("GET", kind.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list_all(self, kind: Kind, namespace: str | None, selector: str = "") -> tuple[list[Object], str]:
        """All objects, in pages, and the resourceVersion of the list."""
        items: list[Object] = []
        query = {"limit": str(_PAGE), **({"labelSelector": selector} if selector else {})}
        while True:
            page = await self.request("GET", kind.path(namespace), query)
            items += page["items"]
            query["continue"] = page["metadata"].get("continue", "")
            if not query["continue"]:
                return items, page["metadata"]["resourceVersion"]

    async def apply(self, kind: Kind, obj: Object, subresource: str | None = None) -> Object:
        """Server-side apply: what `obj` says is ours, whoever wrote it before."""
        path = kind.path(obj["metadata"]["namespace"], obj["metadata"]["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.request("PATCH", path, query, obj, content_type="application/apply-patch+yaml")

    async def create(self, kind: Kind, obj: Object) -> Object:
        path = kind.path(obj["metadata"]["namespace"])
        return await self.request("POST", path, {"fieldManager": FIELD_MANAGER}, obj)

    async def replace(self, kind: Kind, obj: Object) -> Object:
        path = kind.path(obj["metadata"]["namespace"], obj["metadata"]["name"])
        return await self.request("PUT", path, {"fieldManager": FIELD_MANAGER}, obj)

    async def delete(self, kind: Kind, obj: Object, grace_seconds: int | None = None) -> Object | None:
        """Delete this very object, not another made under its name. Returns the answer, None when it was gone."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        options["preconditions"] = {"uid": obj["metadata"]["uid"]}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        path = kind.path(obj["metadata"]["namespace"], obj["metadata"]["name"])
        try:
            return await self.request("DELETE", path, body=options)
        except ApiError as error:
            if error.status in (404, 409):
                return None
            raise

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        *,
        content_type: str = "application/json",
    ) -> Object:
        """One request. A 401 loads the credentials again, once, because they may have been rotated."""
        if self._bucket is not None and method != "GET":
            await self._bucket.take()
        status, answer, headers = await self._send(method, path, query, body, content_type)
        if status == 401:
            self._client.configuration.api_key.update((await load_configuration()).api_key)
            status, answer, headers = await self._send(method, path, query, body, content_type)
        if status < 300:
            return answer
        raise ApiError(
            status,
            answer.get("reason", ""),
            answer.get("message", ""),
            retry_after=_seconds(headers.get("Retry-After", "0")),
        )

    async def _send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Object | None, content_type: str
    ) -> tuple[int, Object, Mapping[str, str]]:
        code = "<error>"
        try:
            request = await self._client.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._client.call_api(*request, _request_timeout=_TIMEOUT)
            text = await response.read()
            code = str(response.status)
            return response.status, _object(text), response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "NoAnswer", f"no answer from the API server: {error or type(error).__name__}") from error
        finally:
            self._metrics.requests.labels(code, method).inc()


def _object(text: bytes) -> Object:
    try:
        answer: Any = json.loads(text)
    except ValueError:  # a proxy's page
        return {"message": text[:500].decode("utf-8", "replace")}
    return answer if isinstance(answer, dict) else {"message": str(answer)[:500]}


def _seconds(header: str) -> float:
    return float(header) if header.isdigit() else 0.0
