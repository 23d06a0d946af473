# SPDX-License-Identifier: Apache-2.0
"""The stand-in over HTTP: who is let in, what is refused, pages, watches, logs.

Behaviour shared with a real server is in tests/contract; here is what only the stand-in decides or needs its inside.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from castwarden_local.standin.errors import BadRequest
from castwarden_local.standin.http.server import BODY_LIMIT
from castwarden_local.standin.interface import CONFIG_MAPS, PODS, LogRequest, Object
from castwarden_local.standin.standin import Standin

from .conftest import Postgres

MAPS = "/api/v1/namespaces/default/configmaps"
GADGETS = "/apis/test.castwarden.dev/v1/namespaces/default/gadgets"
Session = aiohttp.ClientSession


async def answer(http: Session, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with http.request(method, path, **more) as response:
        return response.status, await response.json()


async def code_of(http: Session, path: str, **headers: str) -> int:
    async with http.get(path, headers=headers) as response:
        await response.read()
        return response.status


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic YTpi", "bearer e30.e30.e30"])
async def test_without_a_credential_nothing_is_told(http: Session, header: str) -> None:
    headers = {"Authorization": header}
    for path in ("/api", "/apis", MAPS, "/openapi/v3", "/nonesuch"):
        status, body = await answer(http, "GET", path, headers=headers)
        assert (status, body["reason"], body["kind"]) == (401, "Unauthorized", "Status")


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/version"])
async def test_health_and_version_are_open_to_all(http: Session, path: str) -> None:
    assert await code_of(http, path, Authorization="") == 200


async def test_a_service_accounts_token_is_a_credential(standin: Standin, http: Session) -> None:
    token = await standin.mint_token("default", "default")
    status, _ = await answer(http, "GET", MAPS, headers={"Authorization": f"Bearer {token}"})
    assert status == 200
    elsewhere = await standin.mint_token("default", "default", ["castwarden-gateway"])
    status, _ = await answer(http, "GET", MAPS, headers={"Authorization": f"Bearer {elsewhere}"})
    assert status == 401


async def test_it_is_not_ready_without_postgresql_and_still_answers_reads(
    standin: Standin, http: Session, postgres: Postgres
) -> None:
    await standin.api.create(CONFIG_MAPS, config_map("a"))
    await postgres.go_away()
    assert await code_of(http, "/readyz") == 500
    assert await code_of(http, "/livez") == 200
    assert await code_of(http, f"{MAPS}/a") == 200
    await postgres.come_back()
    status, _ = await answer(http, "POST", MAPS, json=config_map("b"))
    assert status == 201
    assert await code_of(http, "/readyz") == 200


async def test_a_write_that_cannot_be_made_in_time_says_so(
    standin: Standin, http: Session, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("castwarden_local.standin.writing.objects.COMMIT_SECONDS", 0.2)
    await postgres.go_away()
    status, body = await answer(http, "POST", MAPS, json=config_map("a"))
    assert (status, body["reason"]) == (504, "Timeout")
    await postgres.come_back()


async def test_a_body_over_the_limit_is_refused(http: Session) -> None:
    status, body = await answer(http, "POST", MAPS, data=BytesIO(b" " * (BODY_LIMIT + 1)))
    assert (status, body["reason"]) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b"\xff", b'{"metadata":' * 3000, b'{"metadata": 5}', b'{"data": {"a": "\\ud800"}}']
)
async def test_a_body_that_makes_no_sense_is_a_bad_request(http: Session, body: bytes) -> None:
    status, refusal = await answer(http, "POST", MAPS, data=body, headers={"Content-Type": "application/json"})
    assert (status, refusal["reason"]) == (400, "BadRequest")


@pytest.mark.parametrize("path", ["/", "/api/v1", "/apis"])
async def test_the_root_can_only_be_read(http: Session, path: str) -> None:
    status, body = await answer(http, "POST", path, json={})
    assert (status, body["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api/v2",
        "/api/v2/pods",
        "/apis/none.dev",
        "/apis/none.dev/v1",
        "/apis/none.dev/v1/xs",
        "/openapi/v3/no",
        f"{MAPS}/a/scale",
        "/api/v1/configmaps/a",
        "/api/v1/namespaces/default/namespaces/a/b/c",
        "/api/v1/nodes",
    ],
)
async def test_what_does_not_exist_is_a_status_too(http: Session, path: str) -> None:
    status, body = await answer(http, "GET", path)
    assert (status, body["reason"], body["kind"]) == (404, "NotFound", "Status")


@pytest.mark.parametrize("name", ["x" * 254, "A", "a_b", "-a", "a/b"])
async def test_a_name_that_is_none_is_invalid(http: Session, name: str) -> None:
    status, body = await answer(http, "POST", MAPS, json=config_map(name))
    assert (status, body["reason"]) == (422, "Invalid")
    assert body["details"]["causes"][0]["field"] == "metadata.name"


async def test_pages_show_one_moment_whatever_happens_between_them(standin: Standin, http: Session) -> None:
    for number in range(7):
        await standin.api.create(CONFIG_MAPS, config_map(f"m{number}", v="old"))
    status, page = await answer(http, "GET", f"{MAPS}?limit=3")
    assert page["metadata"]["remainingItemCount"] == 4
    revision = page["metadata"]["resourceVersion"]
    await standin.api.delete(CONFIG_MAPS, "m4", "default")
    await standin.api.patch(CONFIG_MAPS, "m5", {"data": {"v": "new"}}, "default")
    await standin.api.create(CONFIG_MAPS, config_map("m45"))
    found = page["items"]
    while page["metadata"].get("continue"):
        status, page = await answer(http, "GET", MAPS, params={"limit": "3", "continue": page["metadata"]["continue"]})
        assert (status, page["metadata"]["resourceVersion"]) == (200, revision)
        found += page["items"]
    assert [each["metadata"]["name"] for each in found] == [f"m{number}" for number in range(7)]
    assert {each["data"]["v"] for each in found} == {"old"}


async def test_a_list_can_be_read_as_of_an_earlier_revision(standin: Standin, http: Session) -> None:
    made = await standin.api.create(CONFIG_MAPS, config_map("a", v="1"))
    await standin.api.patch(CONFIG_MAPS, "a", {"data": {"v": "2"}}, "default")
    query = {"resourceVersion": made["metadata"]["resourceVersion"], "resourceVersionMatch": "Exact"}
    _, body = await answer(http, "GET", MAPS, params=query)
    assert [each["data"] for each in body["items"]] == [{"v": "1"}]


async def lines(response: aiohttp.ClientResponse, count: int) -> list[Any]:
    async with asyncio.timeout(20):
        return [json.loads(await response.content.readline()) for _ in range(count)]


async def test_watchlist_streams_what_exists_and_marks_its_end(standin: Standin, http: Session) -> None:
    await standin.api.create(CONFIG_MAPS, config_map("a"))
    query = {
        "watch": "1",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "1",
    }
    async with http.get(MAPS, params=query) as response:
        added, bookmark = await lines(response, 2)
        assert (added["type"], added["object"]["metadata"]["name"]) == ("ADDED", "a")
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        await standin.api.create(CONFIG_MAPS, config_map("b"))
        (event,) = await lines(response, 1)
        assert event["object"]["metadata"]["name"] == "b"


async def test_a_table_watch_describes_its_columns_once(standin: Standin, http: Session) -> None:
    await standin.api.create(CONFIG_MAPS, config_map("a"))
    await standin.api.create(CONFIG_MAPS, config_map("b"))
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with http.get(MAPS, params={"watch": "1"}, headers=accept) as response:
        first, second = await lines(response, 2)
        assert [column["name"] for column in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][:2] == ["b", 0]


async def test_a_client_that_leaves_ends_its_watch(standin: Standin, http: Session) -> None:
    async with http.get(MAPS, params={"watch": "1"}) as response:
        assert response.status == 200
    assert (await answer(http, "POST", MAPS, json=config_map("a")))[0] == 201


async def test_stopping_ends_open_watches(standin: Standin, http: Session) -> None:
    async with http.get(MAPS, params={"watch": "1"}) as response:
        stopping = asyncio.create_task(standin.stop())
        reading = asyncio.create_task(response.content.read())
        done, _ = await asyncio.wait([reading], timeout=20)
        assert done
        reading.exception()
        await stopping


async def test_dry_run_answers_as_if_and_changes_nothing(gadgets: Standin, http: Session) -> None:
    body = {"apiVersion": "test.castwarden.dev/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"size": 2}}
    status, made = await answer(http, "POST", f"{GADGETS}?dryRun=All", json=body)
    assert (status, made["spec"]["size"]) == (201, 2)
    assert (await answer(http, "GET", f"{GADGETS}/a"))[0] == 404
    await answer(http, "POST", GADGETS, json=body)
    apply = {"Content-Type": "application/apply-patch+yaml"}
    applied = body | {"spec": {"color": "red"}}
    path = f"{GADGETS}/a?dryRun=All&fieldManager=m"
    assert (await answer(http, "PATCH", path, json=applied, headers=apply))[1]["spec"]["color"] == "red"
    assert (await answer(http, "DELETE", f"{GADGETS}/a?dryRun=All"))[0] == 200
    assert (await answer(http, "GET", f"{GADGETS}/a"))[1]["spec"] == {"size": 2}


async def test_unknown_fields_are_a_warning_or_a_refusal_as_asked(gadgets: Standin, http: Session) -> None:
    body = {"apiVersion": "test.castwarden.dev/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": {"shape": "x"}}
    status, refusal = await answer(http, "POST", f"{GADGETS}?fieldValidation=Strict", json=body)
    assert (status, 'unknown field "spec.shape"' in refusal["message"]) == (400, True)
    async with http.post(f"{GADGETS}?fieldValidation=Ignore&dryRun=All", json=body) as response:
        assert "Warning" not in response.headers
    async with http.post(GADGETS, json=body) as response:
        assert response.headers["Warning"] == r'299 - "unknown field \"spec.shape\""'
        assert (await response.json())["spec"] == {"size": 1}


async def test_logs_come_from_whom_the_runner_named(standin: Standin, http: Session) -> None:
    asked: list[LogRequest] = []

    async def source(wanted: LogRequest) -> AsyncIterator[bytes]:
        asked.append(wanted)
        if wanted.previous:
            raise BadRequest("previous terminated container not found")
        yield b"one\n"
        yield b"two\n"

    spec = {"containers": [{"name": "c", "image": "i"}]}
    await standin.api.create(PODS, {"metadata": {"name": "p", "namespace": "default"}, "spec": spec})
    path = "/api/v1/namespaces/default/pods/p/log"
    assert (await answer(http, "GET", path))[0] == 400
    standin.serve_logs(source)
    async with http.get(path, params={"tailLines": "5", "follow": "true"}) as response:
        assert (response.status, response.content_type, await response.text()) == (200, "text/plain", "one\ntwo\n")
    assert asked == [LogRequest("default", "p", "c", follow=True, tail_lines=5)]
    status, refusal = await answer(http, "GET", path, params={"previous": "true"})
    assert (status, refusal["message"]) == (400, "previous terminated container not found")
    assert (await answer(http, "GET", path, params={"container": "none"}))[0] == 400
    assert (await answer(http, "GET", "/api/v1/namespaces/default/pods/none/log"))[0] == 404


async def test_a_failure_of_our_own_is_answered_and_the_server_goes_on(
    standin: Standin, http: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr("castwarden_local.standin.http.handlers.render_list", fail)
        status, body = await answer(http, "GET", MAPS)
        assert (status, body["message"]) == (500, "Internal error occurred: ZeroDivisionError")
    assert (await answer(http, "GET", MAPS))[0] == 200
