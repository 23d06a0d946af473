# SPDX-License-Identifier: Apache-2.0
"""The operator's API client against a server that answers as it is told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from castwarden_operator.errors import ApiError
from castwarden_operator.kinds import POD
from castwarden_operator.kube import Api, connect
from castwarden_operator.metrics import Metrics
from prometheus_client import CollectorRegistry

pytestmark = pytest.mark.asyncio


class Server:
    """Answers with what is queued and notes what it was asked."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.requests: list[tuple[str, str, str | None]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path_qs, request.headers.get("Authorization")))
        return self.answers.pop(0)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def point_to(url: str, token: str, folder: Path) -> Path:
    """A kubeconfig for that server."""
    path = folder / "config"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


@pytest.fixture
async def api(
    server: Server, registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as listening:
        monkeypatch.setenv("KUBECONFIG", str(point_to(str(listening.make_url("")), "first", tmp_path)))
        async with connect(Metrics(registry), None) as api:
            yield api


async def test_server_side_apply_names_its_manager_and_forces(api: Api, server: Server) -> None:
    server.answers = [web.json_response({"kind": "Pod"})]
    await api.apply(POD, {"metadata": {"name": "a", "namespace": "n"}})
    assert server.requests == [
        ("PATCH", "/api/v1/namespaces/n/pods/a?fieldManager=castwarden-operator&force=true", "Bearer first")
    ]


async def test_a_long_list_is_read_in_pages(api: Api, server: Server) -> None:
    server.answers = [
        web.json_response({"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{"a": 1}]}),
        web.json_response({"metadata": {"resourceVersion": "7"}, "items": [{"a": 2}]}),
    ]
    assert await api.list_all(POD, "n", "x=y") == ([{"a": 1}, {"a": 2}], "7")
    assert "labelSelector=x%3Dy" in server.requests[1][1]
    assert "continue=more" in server.requests[1][1]


async def test_a_rotated_token_is_read_again_after_a_401(api: Api, server: Server, tmp_path: Path) -> None:
    server.answers = [web.json_response({}, status=401), web.json_response({"kind": "Pod"})]
    point_to("http://127.0.0.1:1", "second", tmp_path)
    assert await api.get(POD, "n", "a") == {"kind": "Pod"}
    assert [token for _, _, token in server.requests] == ["Bearer first", "Bearer second"]


async def test_a_second_401_is_an_error(api: Api, server: Server) -> None:
    server.answers = [web.json_response({"message": "Unauthorized"}, status=401) for _ in range(2)]
    with pytest.raises(ApiError, match="Unauthorized") as raised:
        await api.get(POD, "n", "a")
    assert raised.value.status == 401


async def test_a_refusal_keeps_the_servers_words_and_its_wait(api: Api, server: Server) -> None:
    server.answers = [
        web.json_response(
            {"reason": "TooManyRequests", "message": "slow down"}, status=429, headers={"Retry-After": "12"}
        )
    ]
    with pytest.raises(ApiError, match="slow down") as raised:
        await api.create(POD, {"metadata": {"name": "a", "namespace": "n"}})
    assert (raised.value.status, raised.value.retry_after, raised.value.refused) == (429, 12, False)


async def test_a_proxys_error_page_is_an_error_like_any_other(api: Api, server: Server) -> None:
    server.answers = [web.Response(text="<h1>Bad Gateway</h1>", status=502, content_type="text/html")]
    with pytest.raises(ApiError, match="Bad Gateway") as raised:
        await api.get(POD, "n", "a")
    assert raised.value.status == 502


async def test_what_is_not_there_is_none_and_deleting_it_is_fine(api: Api, server: Server) -> None:
    server.answers = [web.json_response({}, status=404), web.json_response({}, status=404)]
    assert await api.get(POD, "n", "a") is None
    assert await api.delete(POD, {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}) is None


async def test_requests_are_counted_by_code_and_method(api: Api, server: Server, registry: CollectorRegistry) -> None:
    server.answers = [web.json_response({}), web.json_response({}, status=404)]
    await api.get(POD, "n", "a")
    await api.get(POD, "n", "a")
    counts = [
        registry.get_sample_value("rest_client_requests_total", {"code": code, "method": "GET"})
        for code in ("200", "404")
    ]
    assert counts == [1, 1]


async def test_a_server_that_does_not_answer_is_status_zero(
    registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(point_to(f"http://127.0.0.1:{unused_port()}", "t", tmp_path)))
    async with connect(Metrics(registry), None) as api:
        with pytest.raises(ApiError, match="no answer") as raised:
            await api.get(POD, "n", "a")
    assert raised.value.status == 0
    assert registry.get_sample_value("rest_client_requests_total", {"code": "<error>", "method": "GET"}) == 1
