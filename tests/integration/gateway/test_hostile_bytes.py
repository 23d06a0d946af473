# SPDX-License-Identifier: Apache-2.0
"""Bytes that are meant to hurt, sent as they are: each gets a problem, and the gateway's memory stays as it was."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from castwarden_gateway.app import Gateway
from castwarden_gateway.tables import DESCRIBED_ROUTES

from tests.integration.gateway.conftest import INTERNAL_KEY, KEY, Api
from tests.integration.gateway.gateway_process import GatewayProcess, gateway_process
from tests.integration.gateway.kube_double import KubeDouble

MIB = 2**20
PATIENCE = 30.0


class Answered:
    """One answer, read from the wire."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.raw_body = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    @property
    def problem(self) -> Any:
        assert self.headers["content-type"] == "application/problem+json"
        body = orjson.loads(self.raw_body)
        assert body["status"] == self.status
        assert body["request_id"] == self.headers["x-request-id"]
        return body


async def send(port: int, chunks: Iterable[bytes]) -> Answered:
    """Sends until the gateway will have no more, and reads what it says. It must hang up in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE):
            reading = asyncio.create_task(reader.read())
            try:
                for chunk in chunks:
                    writer.write(chunk)
                    await writer.drain()
            except OSError:
                pass  # it has heard enough
            return Answered(await reading)
    finally:
        writer.close()


def post(
    body: bytes, *headers: str, path: str = "/api/v1/monitors", length: int | None = None, method: str = "POST"
) -> list[bytes]:
    keys = [f"Authorization: Bearer {KEY}", f"X-Internal-API-Key: {INTERNAL_KEY}"]
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *keys, "Connection: close", *headers]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body) if length is None else length}"]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return [head, *(body[at : at + 65536] for at in range(0, len(body), 65536))]


def get(target: bytes, *lines: bytes) -> list[bytes]:
    fixed = [b"Host: x", b"Authorization: Bearer " + KEY.encode(), b"Connection: close"]
    return [b"\r\n".join([b"GET " + target + b" HTTP/1.1", *fixed, *lines, b"", b""])]


DEEP = b"[" * 1_000_000
DEEP_FIELD = b'{"stream_url": "https://a.example/x", "metadata": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001
BOMB = gzip.compress(b'{"stream_url": "' + b"x" * 200 * MIB + b'"}')
REPORTS, ENDPOINTS = "/internal/v1/reports", "/api/v1/webhooks/endpoints"
DEEP_FILTER = b'{"url": "https://a.example/x", "filter": ' + b'{"$not":' * 100_000 + b"{}" + b"}" * 100_001
FILTERS = orjson.dumps({"url": "https://a.example/x", "events": ["alert.*"] * 10_000})

BODIES = {
    "10 MiB": (post(b'"' + b"x" * 10 * MIB + b'"'), 413, "body-too-large"),
    "10 MiB under an Idempotency-Key": (post(b"x" * 10 * MIB, "Idempotency-Key: k"), 413, "body-too-large"),
    "a promise of 10 GiB": (post(b"x" * MIB, length=10 * 2**30), 413, "body-too-large"),
    "a million brackets": (post(DEEP), 400, "malformed-request"),
    "a field 100,000 deep": (post(DEEP_FIELD), 400, "malformed-request"),
    "a gzip bomb of 200 MiB": (post(BOMB, "Content-Encoding: gzip"), 413, "body-too-large"),
    "what is no gzip": (post(b"{}", "Content-Encoding: gzip"), 400, "malformed-request"),
    "an encoding that nobody knows": (post(b"{}", "Content-Encoding: x-own"), 415, "unsupported-media-type"),
    "10,000 filters": (post(FILTERS, path=ENDPOINTS), 422, "validation-error"),
    "lone surrogates": (post(b'{"stream_url": "https://a.example/\\ud800"}'), 400, "malformed-request"),
    "bytes that are no UTF-8": (post(b'{"stream_url": "https://a.example/\xff"}'), 400, "malformed-request"),
    "a filter 100,000 deep": (post(DEEP_FILTER, path=ENDPOINTS), 400, "malformed-request"),
    "a change a million deep": (post(DEEP, path="/api/v1/monitors/x", method="PATCH"), 400, "malformed-request"),
    "a number of a million digits": (post(b'{"stream_url": ' + b"9" * 1_000_000 + b"}"), 400, "malformed-request"),
}
FROM_WORKERS = {
    "10 MiB": (post(b'"' + b"x" * 10 * MIB + b'"', path=REPORTS), 413, "body-too-large"),
    "a million brackets": (post(DEEP, path=REPORTS), 400, "malformed-request"),
    "a field 100,000 deep": (post(DEEP_FIELD, path=REPORTS), 400, "malformed-request"),
    "a gzip bomb of 200 MiB": (post(BOMB, "Content-Encoding: gzip", path=REPORTS), 413, "body-too-large"),
    "lone surrogates": (post(b'{"id": "\\ud800"}', path=REPORTS), 400, "malformed-request"),
    "a deep look": (post(DEEP, path="/internal/v1/looks", method="PUT"), 400, "malformed-request"),
    "a look of 10 MiB": (post(b"x" * 10 * MIB, path="/internal/v1/looks", method="PUT"), 413, "body-too-large"),
    "a deep question": (post(DEEP, path="/internal/v1/extractions"), 400, "malformed-request"),
}
LINES = {
    "10,000 parameters": (get(b"/api/v1/events?" + b"&".join([b"type=a"] * 10_000)), 400),
    "a header of 20,000 bytes": (get(b"/api/v1/events", b"X-Request-Id: " + b"x" * 20_000), 400),
    "2,000 headers": (get(b"/api/v1/events", *[b"X-Some: y"] * 2000), 400),
    "a header within a header": (get(b"/api/v1/events", b"X-Request-Id: a\rSet-Cookie: b=c"), 400),
    "NUL in a header": (get(b"/api/v1/events", b"X-Tenant-Id: a\x00b"), 400),
    "what is no HTTP": ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500 + b"\r\n\r\n"], 400),
    "an expectation that nobody knows": (get(b"/api/v1/events", b"Expect: miracles"), 400),
    "a wish to be another tenant by a line break": (get(b"/api/v1/events", b"X-Tenant-Id: a%0d%0ab"), 400),
}


@pytest.mark.parametrize(("sent", "status", "code"), BODIES.values(), ids=BODIES)
async def test_a_hostile_body_is_answered_with_a_problem(
    gateway: Gateway, sent: list[bytes], status: int, code: str
) -> None:
    answer = await send(gateway.public_port, sent)
    assert (answer.status, answer.problem["code"]) == (status, code)


@pytest.mark.parametrize(("sent", "status", "code"), FROM_WORKERS.values(), ids=FROM_WORKERS)
async def test_a_hostile_body_of_a_worker_is_answered_with_a_problem(
    gateway: Gateway, sent: list[bytes], status: int, code: str
) -> None:
    answer = await send(gateway.internal_port, sent)
    assert (answer.status, answer.problem["code"]) == (status, code)


@pytest.mark.parametrize(("sent", "status"), LINES.values(), ids=LINES)
async def test_hostile_lines_are_answered_with_a_problem(gateway: Gateway, sent: list[bytes], status: int) -> None:
    answer = await send(gateway.public_port, sent)
    assert (answer.status, answer.problem["status"]) == (status, status)
    assert "set-cookie" not in answer.headers


@pytest.fixture
async def process(kube_api: KubeDouble, database_url: str) -> AsyncIterator[GatewayProcess]:
    async with gateway_process(database_url) as process:
        yield process


async def test_hostile_bodies_by_the_dozen_leave_memory_as_it_was(process: GatewayProcess) -> None:
    status = Path(f"/proc/{process.process.pid}/status")

    def mib(name: str) -> int:
        return int(re.findall(rf"{name}:\s+(\d+) kB", status.read_text("utf-8"))[0]) // 1024

    assert (await send(process.public_port, get(b"/api/v1/monitors"))).status == 200
    before = mib("VmRSS")
    for sent, expected, _ in BODIES.values():
        answers = await asyncio.gather(*(send(process.public_port, sent) for _ in range(12)))
        assert {answer.status for answer in answers} == {expected}
    assert mib("VmHWM") - before < 128
    assert (await send(process.public_port, get(b"/healthz"))).status == 200


async def test_every_path_under_every_name_refuses_another_method_in_the_same_words(api: Api) -> None:
    taken: dict[str, set[str]] = {}
    for table in DESCRIBED_ROUTES:
        for route in table:
            for path in route.paths:
                taken.setdefault(path, set()).update({route.method, *(["HEAD"] if route.method == "GET" else [])})
    for path, methods in taken.items():
        for method in ("PUT", "POST", "PATCH", "DELETE", "OPTIONS"):
            if method in methods:
                continue
            refused = await api.call(method, path.replace("{", "").replace("}", ""))
            assert (refused.status, refused.body["code"]) == (405, "method-not-allowed"), (method, path)
            assert set(refused.headers["Allow"].split(", ")) == methods, path


async def test_older_names_of_a_path_lead_to_the_same_answers(api: Api) -> None:
    made = await api.post("/v1/monitors", {"stream_url": "https://cdn.example.com/a.m3u8"})
    assert made.status == 201
    for path in ("/api/v1/monitors", "/v1/monitors"):
        assert [one["monitor_id"] for one in (await api.get(path)).data] == [made.data["monitor_id"]]
    job = await api.post("/jobs", {"entity_type": "video", "entity_id": "dQw4w9WgXcQ"})
    for path in ("/jobs", "/v1/downloads", "/api/v1/downloads"):
        assert (await api.get(f"{path}/{job.data['id']}")).data["id"] == job.data["id"]
    for path in ("/jobs/none", "/v1/downloads/none", "/v1/monitors/none", "/jobs?limit=1000", "/v1/events?x=y"):
        refused = await api.get(path)
        assert refused.body["code"] == ("validation-error" if "?" in path else "not-found")
        assert refused.headers["Content-Type"] == "application/problem+json"
    assert (await api.get("/v1/status")).data["status"] == "ok"
