# SPDX-License-Identifier: Apache-2.0
"""The two ways in that the demo uses: the REST API, and YAML through the Kubernetes API."""

from pathlib import Path
from typing import Any

import aiohttp
import yaml
from castwarden_model.resources import GROUP, KINDS, VERSION
from kubernetes.aio import client, config

_PLURALS = {kind.KIND: kind.PLURAL for kind in KINDS}


class Refused(Exception):
    """The API said no; the text is what it said."""


class Rest:
    """The REST API with one key. Use as `async with Rest(url, key) as api`."""

    def __init__(self, url: str, key: str) -> None:
        self._session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"})

    async def __aenter__(self) -> "Rest":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The `data` of the answer. Raises Refused."""
        return await self._call("POST", path, body)

    async def get(self, path: str) -> Any:
        """The `data` of the answer. Raises Refused."""
        return await self._call("GET", path, None)

    async def delete(self, path: str) -> None:
        """Raises Refused."""
        await self._call("DELETE", path, None)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        async with self._session.request(method, path, json=body) as response:
            answer = await response.json(content_type=None) or {}
            if response.status >= 400:
                raise Refused(f"{method} {path}: {answer.get('detail') or answer}")
            return answer.get("data", answer)


async def apply(kubeconfig: Path, manifest: str) -> None:
    """What `kubectl apply --server-side` does with one document of ours."""
    document = yaml.safe_load(manifest)
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        await client.CustomObjectsApi(api).patch_namespaced_custom_object(
            GROUP,
            VERSION,
            document["metadata"].get("namespace", "default"),
            _PLURALS[document["kind"]],
            document["metadata"]["name"],
            document,
            field_manager="demo",
            _content_type="application/apply-patch+yaml",
        )
