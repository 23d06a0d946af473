# SPDX-License-Identifier: Apache-2.0
"""What every route has in common."""

import asyncio
import io
from pathlib import Path
from typing import Any

import aiohttp
import castwarden_gateway
import pytest
from castwarden_base.waiting import wait_until
from castwarden_gateway.app import Gateway
from castwarden_gateway.db.sql import Statements
from castwarden_gateway.tables import PUBLIC_ROUTES

from tests.integration.gateway.conftest import KEY, PATIENCE, Answer, Api, Gateways
from tests.integration.gateway.kube_double import KubeDouble
from tests.plugins.databases import see_all

SQL_FILES = [
    path for path in sorted(Path(castwarden_gateway.__file__).parent.rglob("*.sql")) if path.parent.name != "migrations"
]


@pytest.mark.parametrize("path", SQL_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
async def test_every_statement_can_be_prepared_on_the_migrated_database(path: Path, database_url: str) -> None:
    connection = await see_all(database_url)
    for name, sql in Statements(path).by_name.items():
        assert await connection.prepare(sql), name
    await connection.close()


async def test_every_refusal_is_a_problem_with_a_code_and_a_request_id(
    api: Api, gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    url = f"http://127.0.0.1:{gateway.public_port}"
    answers = [
        (await api.get("/api/v1/nothing"), 404, "not-found"),
        (await api.get("/api/v1/monitors/none"), 404, "not-found"),
        (await api.call("PUT", "/api/v1/monitors"), 405, "method-not-allowed"),
        (await Api(session, url, {}).get("/api/v1/monitors"), 401, "unauthorized"),
        (await api.get("/api/v1/monitors?limit=1000"), 422, "validation-error"),
        (await api.get("/api/v1/monitors?colour=red"), 422, "validation-error"),
        (await api.delete("/api/v1/api_keys/not-an-id"), 404, "not-found"),
    ]
    for text, content_type, status, code in (
        ("{", "application/json", 400, "malformed-request"),
        ("[]", "application/json", 422, "validation-error"),
        ("a=b", "text/plain", 415, "unsupported-media-type"),
        ('"' + "x" * 2_000_000 + '"', "application/json", 413, "body-too-large"),
    ):
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": content_type}
        body = io.BytesIO(text.encode())
        async with session.post(f"{url}/api/v1/monitors", data=body, headers=headers) as response:
            answers.append((Answer(response.status, response.headers, await response.json()), status, code))
    for answer, status, code in answers:
        assert (answer.status, answer.body["status"], answer.body["code"]) == (status, status, code)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body["type"].endswith(code)
        assert answer.body["request_id"] == answer.headers["X-Request-Id"]
    assert answers[2][0].headers["Allow"]


async def test_a_clients_request_id_is_kept_when_it_is_a_clean_one(api: Api) -> None:
    assert (await api.with_headers(X_Request_Id="abc-1").get("/healthz")).headers["X-Request-Id"] == "abc-1"
    assert (await api.with_headers(X_Request_Id="a b").get("/healthz")).headers["X-Request-Id"] != "a b"


async def test_an_unexpected_error_is_a_500_that_says_nothing_of_the_inside(
    api: Api, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr("castwarden_gateway.events.store.EventStore.page", broken)
    answer = await api.get("/api/v1/events")
    assert (answer.status, answer.body["code"]) == (500, "internal-error")
    assert "secret detail" not in str(answer.body)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/v1/channels", {"youtube_id": "nobody"}, "must be UC and 22 more characters"),
        ("/api/v1/downloads", {"url": "https://a.example/x", "quality": "good"}, "must be best, worst, or like 1080p"),
        ("/api/v1/tenants", {"slug": "Not a label"}, "must be at most 63 small letters, digits and inner hyphens"),
        ("/api/v1/api_keys", {"name": "k", "scopes": ["all"]}, "must be like monitors:read, monitors:*, * or admin"),
        ("/api/v1/webhooks/endpoints", {"url": "ftp://a.example"}, "must be an http or https URL"),
    ],
)
async def test_a_wrong_form_is_answered_in_words(api: Api, path: str, body: Any, words: str) -> None:
    answer = await api.post(path, body)
    assert (answer.status, [error["detail"] for error in answer.body["errors"]]) == (422, [words])


async def test_a_wrong_filter_is_answered_in_words(api: Api) -> None:
    answer = await api.get("/api/v1/events?type=Alerts")
    assert [error["detail"] for error in answer.body["errors"]] == ["must be an event type, alert.* or *"]


async def test_every_route_demands_a_credential(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    nobody = Api(session, f"http://127.0.0.1:{gateway.public_port}", {})
    for routes in PUBLIC_ROUTES:
        for route in routes:
            assert route.scope or route.path == "/api/v1/status"
            assert not route.open
            for path in (route.path, *route.aliases):
                filled = path.replace("{id}", "x").replace("{slug}", "x")
                assert (await nobody.call(route.method, filled, {})).status == 401, path


async def test_readiness_follows_the_database(gateway: Gateway, api: Api, database_url: str) -> None:
    assert (await api.get("/readyz")).status == 200
    connection = await see_all(database_url)
    await connection.execute("update schema_migrations set sha256 = 'changed' where version = 1")

    async def reason() -> str:
        return str((await api.get("/readyz")).body.get("reasons", {}).get("schema", ""))

    assert "was changed" in await wait_until(reason, PATIENCE)
    await connection.close()


async def test_a_newer_schema_is_fine_until_what_this_version_would_not_live_with_has_been_done(
    gateway: Gateway, api: Api, database_url: str
) -> None:
    connection = await see_all(database_url)

    async def applied(name: str) -> None:
        await connection.execute("insert into schema_migrations values ($1, $2, '')", int(name[:4]), name)
        await gateway.readiness.look(gateway.database)

    await applied("9001_pre_some")
    assert (await api.get("/readyz")).status == 200
    await applied("9002_post_some")
    refused = await api.get("/readyz")
    assert refused.status == 503
    assert refused.body["reasons"] == {
        "schema": "the database belongs to a newer version, which has run 9002_post_some"
    }
    await connection.close()


async def test_a_poll_on_demand_is_a_job_from_the_cron_jobs_template(api: Api, kube_api: KubeDouble) -> None:
    made = await api.post("/api/v1/channels", {"youtube_id": "UC" + "x" * 22})
    assert made.status == 201
    again = await api.post("/v1/channels", {"youtube_id": "UC" + "x" * 22})
    assert (again.status, again.data["id"]) == (200, made.data["id"])
    path = f"/api/v1/channels/{made.data['id']}"
    early = await api.post(f"{path}/poll")
    assert (early.status, early.body["code"]) == (409, "channel-not-ready")
    template = {"metadata": {"labels": {"castwarden.dev/role": "poll"}}, "spec": {"template": {"spec": {"a": 1}}}}
    cron_job = kube_api.put("cronjobs", {"metadata": {"name": "poll-x"}, "spec": {"jobTemplate": template}})
    channel = kube_api.get("channels", made.data["id"])
    kube_api.put("channels", {**channel, "metadata": {**channel["metadata"]}, "status": {"cronJobName": "poll-x"}})
    polled = await wait_until(lambda: _poll(api, path), PATIENCE)
    assert polled
    job = kube_api.get("jobs", polled["job"])
    assert job["spec"] == template["spec"]
    assert job["metadata"]["ownerReferences"][0]["uid"] == cron_job["metadata"]["uid"]
    assert job["metadata"]["labels"] == {"castwarden.dev/role": "poll"}
    assert (await api.get("/api/v1/channels/UC" + "x" * 22)).data["id"] == made.data["id"]
    assert (await api.delete(path)).status == 204


async def test_downloads_are_off_until_switched_on(gateways: Gateways, session: aiohttp.ClientSession) -> None:
    gateway = await gateways.start(downloads_enabled=False)
    api = Api(session, f"http://127.0.0.1:{gateway.public_port}", {"Authorization": f"Bearer {KEY}"})
    refused = await api.post("/jobs", {"entity_type": "video", "entity_id": "dQw4w9WgXcQ"})
    assert (refused.status, refused.body["code"]) == (403, "downloads-disabled")


async def test_yt_videos_apis_body_becomes_a_download_job(api: Api, kube_api: KubeDouble) -> None:
    body = {"entity_type": "video", "entity_id": "dQw4w9WgXcQ", "container_policy": "webm", "embed_metadata": True}
    made = await api.post("/jobs", body)
    assert (made.status, made.data["status"], made.data["entity_id"]) == (201, "pending", "dQw4w9WgXcQ")
    spec = kube_api.get("downloadjobs", made.data["id"])["spec"]
    assert spec == {"source": {"youtubeVideoId": "dQw4w9WgXcQ"}, "container": "webm", "embedMetadata": True}
    assert (await api.post("/jobs", {**body, "entity_type": "playlist"})).pointers == ["/entity_type"]
    assert (await api.post("/jobs", {**body, "url": "https://a.example/x"})).status == 422
    assert (await api.delete(f"/jobs/{made.data['id']}")).status == 204
    assert (await api.get(f"/jobs/{made.data['id']}")).status == 404


async def test_many_requests_at_once_share_one_look_up_of_their_key_at_most_for_ten_seconds(api: Api) -> None:
    answers = await asyncio.gather(*(api.get("/api/v1/monitors") for _ in range(100)))
    assert {answer.status for answer in answers} == {200}


async def _poll(api: Api, path: str) -> dict[str, str] | None:
    answer = await api.post(f"{path}/poll")
    return answer.data if answer.status == 202 else None
