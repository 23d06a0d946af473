# SPDX-License-Identifier: Apache-2.0
"""`/api/v1/api_keys`, `/api/v1/tenants` and `/api/v1/status`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from castwarden_model import __version__
from castwarden_model.forms import of_form
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from castwarden_gateway.http.cursors import PageQuery, decode, encode, page
from castwarden_gateway.http.limits import exceeds
from castwarden_gateway.http.problems import (
    Conflict,
    Contended,
    FieldError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
)
from castwarden_gateway.http.routes import Reply, Request, Routes, created, no_content
from castwarden_gateway.tenants.auth import Authenticator
from castwarden_gateway.tenants.keys import new_key
from castwarden_gateway.tenants.principal import ADMIN, Principal, Tenant
from castwarden_gateway.tenants.store import (
    KeyCreated,
    KeyIsOver,
    KeyRow,
    NewKey,
    NoSuchKey,
    Rotation,
    TenantStore,
)

TENANTS = web.AppKey("tenants", TenantStore)
AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
routes = Routes()
_MOST_KEYS = 100  # active ones of a tenant

Scope = Annotated[
    str, of_form(r"^(\*|admin|[a-z_]+:(\*|read|write))$", "must be like monitors:read, monitors:*, * or admin")
]
DnsLabel = Annotated[
    str, of_form(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", "must be at most 63 small letters, digits and inner hyphens")
]


class TenantExists(Conflict):
    code, title = "tenant-exists", "The slug or the namespace belongs to another tenant"


class TooManyKeys(Problem):
    status, code, title = 429, "max-api-keys-exceeded", "The tenant has as many API keys as it may have"


class NotRotatable(Conflict):
    code, title = "api-key-over", "The key has expired, or another has taken its place"


class KeyCreate(BaseModel):
    """A new key. Only an administrator's key makes one that may do more than itself, or that may do it faster."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "dashboard", "scopes": ["monitors:read", "events:read"]}]},
    )

    name: str = Field(min_length=1, max_length=100)
    scopes: list[Scope] = Field(
        default=["*"], min_length=1, max_length=50, description="`monitors:read`, `monitors:*`, `*` or `admin`."
    )
    rate_limit: int | None = Field(default=None, ge=1, le=1_000_000, description="Requests per window.")
    rate_window_seconds: int | None = Field(default=None, ge=1, le=86_400)
    expires_at: AwareDatetime | None = Field(default=None, description="None: it works until it is revoked.")


class KeyRotate(BaseModel):
    """Another key with the same name, scopes, rate and expiry."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_seconds": 3600}]})

    overlap_seconds: int = Field(
        default=86_400, ge=0, le=604_800, description="How long the key that is replaced works beside the new one."
    )


class TenantCreate(BaseModel):
    """A new tenant; its resources live in `namespace`, by default the one of its slug."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"slug": "acme", "name": "Acme Broadcasting"}]}
    )

    slug: DnsLabel
    name: str | None = Field(default=None, min_length=1, max_length=100)
    namespace: DnsLabel | None = None
    max_monitors: int | None = Field(default=None, ge=1)


class ServiceStatus(BaseModel):
    """Who answers."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"status": "ok", "version": __version__, "timestamp": "2026-11-20T12:00:00Z"}]}
    )

    status: Literal["ok"] = "ok"
    version: str = __version__
    timestamp: datetime


@routes.post(
    "/api/v1/api_keys",
    scope="api_keys:write",
    body=KeyCreate,
    returns={201: KeyCreated},
    problems=[Forbidden, TooManyKeys, InvalidRequest, Conflict],
    secret=True,
)
async def create_key(request: Request[Principal], body: KeyCreate) -> Reply:
    if not request.principal.may_grant(body.scopes):
        raise Forbidden("A key can only give away scopes that it holds itself.")
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise InvalidRequest(errors=[FieldError("lies in the past", pointer="/expires_at")])
    limit, window = _rate(request.principal, body)
    if slower := _slower(request, limit, window):
        too_fast = FieldError(f"exceeds that of your own key: {slower}", pointer="/rate_limit")
        raise InvalidRequest("A key can only give away as much as it may do itself.", errors=[too_fast])
    key, tenants, tenant_id = new_key(), request.app[TENANTS], request.principal.tenant.id
    row = await tenants.remake_key(tenant_id, request.operation.id, key) if request.operation.resumed else None
    if row is None:
        if await tenants.count_keys(tenant_id) >= _MOST_KEYS:
            raise TooManyKeys(f"At most {_MOST_KEYS}; revoke one first.")
        new = NewKey(body.name, body.scopes, limit, window, body.expires_at, request.operation.id)
        row = await tenants.add_key(tenant_id, key, new)
    if row is None:
        raise Contended("Exactly this key exists; ask again.")
    return created({"data": KeyCreated(**asdict(row), key=key)}, f"/api/v1/api_keys/{row.id}")


@routes.get("/api/v1/api_keys", scope="api_keys:read", query=PageQuery, returns={200: list[KeyRow]})
async def list_keys(request: Request[Principal], query: PageQuery) -> Any:
    before = decode(query.cursor, UUID)
    rows = await request.app[TENANTS].keys(request.principal.tenant.id, before, query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, lambda row: encode(str(row.id)), asdict)


@routes.delete("/api/v1/api_keys/{id}", scope="api_keys:write", returns={204: None}, problems=[NotFound])
async def revoke_key(request: Request[Principal]) -> Reply:
    key_hash = await request.app[TENANTS].revoke(request.principal.tenant.id, uuid_of(request, "id"))
    if key_hash is not None:
        request.app[AUTHENTICATOR].forget(key_hash)
    elif not request.operation.resumed:
        raise NotFound("This tenant has no such key.")
    return no_content()


@routes.post(
    "/api/v1/api_keys/{id}/rotate",
    scope="api_keys:write",
    body=KeyRotate,
    returns={201: KeyCreated},
    problems=[NotFound, Forbidden, NotRotatable, TooManyKeys],
    secret=True,
)
async def rotate_key(request: Request[Principal], body: KeyRotate) -> Reply:
    """Makes another key in the place of one, which expires after an overlap. The new key is shown once."""
    tenants, tenant_id, operation = request.app[TENANTS], request.principal.tenant.id, request.operation
    if not operation.resumed and await tenants.count_keys(tenant_id) >= 2 * _MOST_KEYS:
        raise TooManyKeys("Too many keys overlap; revoke one first.")
    key = new_key()
    wanted = Rotation(
        uuid_of(request, "id"), operation.id, key, body.overlap_seconds, partial(_require_may_hold, request)
    )
    try:
        row, old_hash = await tenants.rotate(tenant_id, wanted)
    except NoSuchKey:
        raise NotFound("This tenant has no such key.") from None
    except KeyIsOver:
        raise NotRotatable from None
    request.app[AUTHENTICATOR].forget(old_hash)
    return created({"data": KeyCreated(**asdict(row), key=key)}, f"/api/v1/api_keys/{row.id}")


@routes.post("/api/v1/tenants", scope=ADMIN, body=TenantCreate, returns={201: Tenant}, problems=[TenantExists])
async def create_tenant(request: Request[Principal], body: TenantCreate) -> Reply:
    tenants, id_ = request.app[TENANTS], request.operation.id
    tenant = await tenants.create(
        body.slug, body.name or body.slug, body.namespace or body.slug, body.max_monitors, id_
    )
    if tenant is None:
        tenant = await tenants.by_slug(body.slug)
        if tenant is None or tenant.id != id_:
            raise TenantExists
    return created({"data": _view(tenant)}, f"/api/v1/tenants/{tenant.slug}")


@routes.get("/api/v1/tenants", scope=ADMIN, query=PageQuery, returns={200: list[Tenant]})
async def list_tenants(request: Request[Principal], query: PageQuery) -> Any:
    rows = await request.app[TENANTS].page(decode(query.cursor, UUID), query.limit + 1)
    return page(request.http.rel_url, rows, query.limit, lambda row: encode(str(row.id)), _view)


@routes.get("/api/v1/tenants/{slug}", scope=ADMIN, returns={200: Tenant}, problems=[NotFound])
async def get_tenant(request: Request[Principal]) -> Any:
    tenant = await request.app[TENANTS].by_slug(request.params["slug"])
    if tenant is None:
        raise NotFound("There is no such tenant.")
    return {"data": _view(tenant)}


@routes.get("/api/v1/status", scope=None, returns={200: ServiceStatus})
async def status(_: Request[Principal]) -> Any:
    """Who answers; any key may ask. Whether it is well, /readyz says to everybody."""
    return {"data": ServiceStatus(timestamp=datetime.now(UTC))}


def _rate(principal: Principal, body: KeyCreate) -> tuple[int | None, int | None]:
    """The new key's limit and window. Left out they are the usual ones, or those of the key that asks."""
    limit, window = body.rate_limit, body.rate_window_seconds
    if not principal.allows(ADMIN):
        limit = principal.rate_limit if limit is None else limit
        window = principal.rate_window_seconds if window is None else window
    return limit, window


def _require_may_hold(
    request: Request[Principal], scopes: Sequence[str], limit: int | None, window: int | None
) -> None:
    """Nobody gets a key that may do more than their own, or do it faster."""
    if not request.principal.may_grant(scopes):
        raise Forbidden("A key can only give away scopes that it holds itself.")
    if slower := _slower(request, limit, window):
        raise Forbidden(f"A key can only give away as much as it may do itself: {slower}.")


def _slower(request: Request[Principal], limit: int | None, window: int | None) -> str | None:
    """The caller's own rate when a key with this one would be faster, which only an administrator may make."""
    principal, rate = request.principal, request.app[AUTHENTICATOR].rate
    own = rate(principal.rate_limit, principal.rate_window_seconds)
    if principal.allows(ADMIN) or not exceeds(rate(limit, window), own):
        return None
    return f"{own[0]} in {own[1]} s"


def uuid_of(request: Request[Any], name: str) -> UUID:
    """A path variable that is an id; whatever is no id names nothing."""
    try:
        return UUID(request.params[name])
    except ValueError:
        raise NotFound(f"{request.params[name]} is not an id.") from None


def _view(tenant: Tenant) -> dict[str, Any]:
    return asdict(tenant)
