# SPDX-License-Identifier: Apache-2.0
"""The calls we make to the Kubernetes API, on `kubernetes.aio`'s configuration and connections.

Objects stay plain dictionaries because they are cached by the thousand and mostly passed on.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import orjson
from castwarden_base.logs import get_logger
from castwarden_model.messages import AUDIENCE
from castwarden_model.resources import GROUP, VERSION
from kubernetes.aio import client, config
from yarl import URL

log = get_logger(__name__)

FIELD_MANAGER = "castwarden-gateway"
Object = dict[str, Any]

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"  # JSON is YAML
_SECONDS = 15.0
_RETRY_SECONDS = 1.0
_SILENCE_SECONDS = 120  # bookmarks come more often than this; longer silence means that the peer is gone
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class KubernetesError(Exception):
    """The base of what can go wrong."""


class KubernetesUnavailable(KubernetesError):
    """No answer, or one that says to come back later. Try again."""


class Refused(KubernetesError):
    """The API server said no. `status` is its metav1.Status; the same request would be refused again."""

    def __init__(self, code: int, status: Mapping[str, Any]) -> None:
        super().__init__(status.get("message") or f"HTTP {code}")
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.causes: list[Mapping[str, str]] = list((status.get("details") or {}).get("causes") or [])


class Gone(KubernetesError):
    """The watch is too old to resume (410): list again."""


class Kube:
    """`async with Kube.connect() as kube`. Credentials come from the Pod, or from KUBECONFIG outside of one."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._base = URL(api.configuration.host)

    @classmethod
    async def connect(cls) -> "Kube":
        configuration = client.Configuration()
        if os.environ.get("KUBERNETES_SERVICE_HOST") and not os.environ.get("KUBECONFIG"):
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(os.environ.get("KUBECONFIG"), client_configuration=configuration)
        configuration.connection_pool_maxsize = 100
        configuration.client_session_kwargs = {"trust_env": False}  # else each request looks for a proxy in a thread
        return cls(client.ApiClient(configuration))

    async def close(self) -> None:
        await self._api.close()

    async def get(self, path: str) -> Object:
        return await self._call("GET", path)

    async def create(self, path: str, body: Object) -> Object:
        return await self._call("POST", path, {"fieldManager": FIELD_MANAGER}, body)

    async def apply(self, path: str, body: Object) -> Object:
        """Server-side apply: the fields in `body` become ours, others stay as they are."""
        return await self._call("PATCH", path, {"fieldManager": FIELD_MANAGER, "force": "true"}, body, APPLY)

    async def patch(self, path: str, body: Object) -> Object:
        """Merge patch: changes only what is named, also in a resource that somebody else applied."""
        return await self._call("PATCH", path, {"fieldManager": FIELD_MANAGER}, body, MERGE_PATCH)

    async def delete(self, path: str, uid: str, version: str | None = None) -> None:
        preconditions = {"uid": uid, **({"resourceVersion": version} if version else {})}
        await self._call("DELETE", path, body={"preconditions": preconditions, "propagationPolicy": "Background"})

    async def list_page(self, path: str, selector: str, cursor: str | None) -> Object:
        query = {"limit": "500", **({"labelSelector": selector} if selector else {})}
        return await self._call("GET", path, {**query, **({"continue": cursor} if cursor else {})})

    async def watch(self, path: str, selector: str, version: str, seconds: int) -> AsyncIterator[Object]:
        """Events after `version`, with bookmarks. Ends by itself after about `seconds`. Raises Gone."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
            **({"labelSelector": selector} if selector else {}),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_SILENCE_SECONDS)
        response = await self._send("GET", path, query, None, JSON, timeout)
        try:
            async for line in _lines(response):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise _error(int(event["object"].get("code", 500)), event["object"])
                yield event
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise KubernetesUnavailable(str(error) or type(error).__name__) from error
        finally:
            response.close()

    async def review_token(self, token: str) -> Mapping[str, Any]:
        """The status of a TokenReview for our audience."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        review = await self._call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body=body)
        status: Mapping[str, Any] = review.get("status") or {}
        return status

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = JSON,
    ) -> Object:
        response = await self._send(method, path, query or {}, body, content_type, _SECONDS)
        try:
            answer: Object = orjson.loads(await response.read())
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            raise KubernetesUnavailable(str(error) or type(error).__name__) from error
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content_type: str,
        timeout: float | aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """The response of a request that succeeded; everything else is raised as one of ours."""
        headers = {"Content-Type": content_type, "Accept": JSON}
        url = str(self._base.with_path(self._base.path.rstrip("/") + path).with_query(dict(query)))
        try:
            for setting in (await self._api.configuration.auth_settings()).values():
                headers[setting["key"]] = setting["value"]
            answer = await self._api.rest_client.request(method, url, headers, body, _request_timeout=timeout)
            response: aiohttp.ClientResponse = answer.response
            if response.status < 400:
                return response
            text = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise KubernetesUnavailable(str(error) or type(error).__name__) from error
        raise _error(response.status, _status(text))


def path_of(plural: str, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
    """The path of our resources: all, one namespace's, or one."""
    place = f"namespaces/{segment(namespace)}" if namespace else ""
    parts = [f"/apis/{GROUP}/{VERSION}", place, plural, name and segment(name), subresource]
    return "/".join(part for part in parts if part)


def segment(name: str) -> str:
    """A name that may stand in a path. Raises Refused for what no object can be called and might lead elsewhere."""
    if not _NAME.fullmatch(name):
        raise Refused(404, {"reason": "NotFound", "message": f"nothing is called {name!r}"})
    return name


def _status(text: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"message": text[:200].decode(errors="replace")}
    return found if isinstance(found, dict) else {}


def _error(code: int, status: Mapping[str, Any]) -> KubernetesError:
    if code == 410:
        return Gone(str(status.get("message", "")))
    if code == 429 or code >= 500:
        return KubernetesUnavailable(str(status.get("message", f"HTTP {code}")))
    return Refused(code, status)


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length; the stream reader's own limit is below the size of a large object."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield line
        await asyncio.sleep(0)  # a long backlog must not starve the requests


async def connected() -> Kube:
    """A client, as soon as there is a configuration for one."""
    while True:
        try:
            return await Kube.connect()
        except (config.ConfigException, OSError) as error:
            log.warning("kubernetes_not_configured", reason=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
