# SPDX-License-Identifier: Apache-2.0
"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) around the handlers of unsafe methods.

The key belongs to tenant, method and path. The first run takes it with a lease and records its answer; a repeat gets
that answer, or 409 while it is under way, or 422 when it is another request. A run that died leaves its lease: once
that has run out a repeat runs again under the same `Operation`, which see for why that changes nothing more. Answers of
5xx and 429 are not kept, nor those of problems that are not `final`.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import orjson
from aiohttp import hdrs, web

from castwarden_gateway.http.claims import Claims, Kept
from castwarden_gateway.http.errors import RESPONSE_HEADERS
from castwarden_gateway.http.operations import Claim, Operation
from castwarden_gateway.http.problems import Conflict, InvalidIdempotencyKey, KeyInFlight, KeyReused, Problem
from castwarden_gateway.http.reading import read_bytes

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")
_CONDITION = hdrs.IF_MATCH  # part of what is asked for

Run = Callable[[Operation], Awaitable[web.StreamResponse]]


class Caller(Protocol):
    """Who asks: a `Principal`."""

    @property
    def tenant(self) -> Any: ...
    @property
    def key_id(self) -> UUID: ...


class Idempotency:
    """`await idempotency(request, path, caller, secret, run)` answers by `run`, or as a run before has answered."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def __call__(
        self, http: web.Request, path: str, caller: Caller, secret: bool, run: Run
    ) -> web.StreamResponse:
        """`path` is the canonical one. `secret`: the answer may hold what is never shown again."""
        key = key_of(http.headers[HEADER])
        digest = hashlib.sha256(f"{http.method} {path}\n{key}".encode()).digest()
        request_hash = _hash_of(http, await read_bytes(http), caller.key_id if secret else None)
        taken = await self._claims.take(caller.tenant.id, http.method, path, digest, request_hash)
        if isinstance(taken, Kept):
            return _replayed(http, taken, request_hash)
        assert taken.claim is not None  # noqa: S101 - `take` claims what it gives to run
        return await self._first(taken, taken.claim, secret, run)

    async def _first(self, operation: Operation, claim: Claim, secret: bool, run: Run) -> web.StreamResponse:
        refused: Problem | None = None
        try:
            answer = await run(operation)
        except Problem as problem:
            refused, answer = problem, problem.response("", "")
        except Exception:
            await self._claims.release(claim)
            raise
        finally:
            self._claims.let_go(claim)
        if answer.status >= 500 or answer.status == 429 or not (refused is None or refused.final):
            await self._claims.release(claim)
        elif not await self._keep(claim, answer, secret):
            raise KeyInFlight("Another run of this request has taken over; ask again for its answer.")
        if refused is not None:
            raise refused
        return answer

    async def _keep(self, claim: Claim, answer: web.StreamResponse, secret: bool) -> bool:
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        body = answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else b""
        return await self._claims.finish(claim, answer.status, headers, body, secret)


def key_of(header: str) -> str:
    """The key, as a structured-field string or bare. Raises InvalidIdempotencyKey."""
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].replace(r"\"", '"').replace(r"\\", "\\")
    if not _KEY.fullmatch(text):
        raise InvalidIdempotencyKey("Send 1 to 255 visible characters of ASCII.")
    return text


def _hash_of(http: web.Request, body: bytes, only_for: UUID | None) -> bytes:
    """Of all that is asked for. An answer with a secret is repeated to the API key alone that asked first."""
    parts = (http.query_string, http.headers.get(_CONDITION, ""), str(only_for or ""))
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape") + b"\n" + body).digest()


def _replayed(http: web.Request, kept: Kept, request_hash: bytes) -> web.Response:
    if kept.request_hash != request_hash:
        raise KeyReused("This Idempotency-Key came with another request before.")
    if kept.status is None:
        raise KeyInFlight("The first request under this key is under way.")
    body = kept.body
    if kept.status >= 400:
        request_id = http[RESPONSE_HEADERS]["X-Request-Id"]
        body = orjson.dumps({**orjson.loads(body), "instance": http.path, "request_id": request_id})
    elif not body and kept.headers.get(hdrs.CONTENT_TYPE, "").startswith("application/json"):
        raise Conflict("The answer was sealed with a key that this gateway no longer has.")
    return web.Response(status=kept.status, headers={**kept.headers, REPLAYED: "true"}, body=body or None)
