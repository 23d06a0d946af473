# SPDX-License-Identifier: Apache-2.0
"""What the description says of all routes alike: headers, parameters, credentials, subjects."""

from typing import Any

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer yttr_...`, an API key."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, where that suits."},
}

TAGS = {
    "monitors": ("Monitors", "Live streams that are watched."),
    "channels": ("Channels", "Feeds that are polled, and the videos in them."),
    "downloads": (
        "Downloads",
        "Media files that are fetched, each once and whole. Off unless the installation allows it.",
    ),
    "events": ("Events", "What happened, as a list and as a stream."),
    "webhooks": ("Webhooks", "Receivers of events, and what became of each delivery."),
    "api_keys": ("API keys", "Credentials of a tenant."),
    "audit": ("Audit log", "Who changed what by this API, and from where."),
    "tenants": ("Tenants", "Customers that see nothing of each other. For administrators."),
    "": ("Service", "The gateway itself. What needs no key says so."),
}
"""By the first word of a path behind `/api/v1`: name and description. Whatever is not here is of the service."""


def _header(description: str, *, required: bool = False, example: str | int, type_: str = "string") -> dict[str, Any]:
    shown: dict[str, Any] = {"description": description, "schema": {"type": type_}, "example": example}
    return {**shown, "required": True} if required else shown


HEADERS: dict[str, Any] = {
    "X-Request-Id": _header(
        "Finds the request in the logs: the client's own, or a new one.", required=True, example="1b0a7f3c9d2e-4f"
    ),
    "RateLimit-Policy": _header("`q` requests in `w` seconds.", example='"default";q=100;w=60'),
    "RateLimit": _header(
        "`r` requests are left, the next ones come within `t` seconds.", example='"default";r=99;t=60'
    ),
    "ETag": _header("For `If-None-Match` and `If-Match`.", example='"3.kTf0Zs9bV1mQxw4D"'),
    "Location": _header("The new resource.", required=True, example="/api/v1/monitors/m-7k2p9d"),
    "Link": _header("The next page, if there is one.", example='</api/v1/monitors?cursor=WzEs...>; rel="next"'),
    "Idempotency-Replayed": _header("`true`: the answer that the first request under this key got.", example="true"),
    "Retry-After": _header("Seconds.", type_="integer", example=5),
    "WWW-Authenticate": _header("How to authenticate.", required=True, example='Bearer realm="castwarden"'),
    "Last-Modified": _header("When it was seen.", example="Fri, 20 Nov 2026 12:00:00 GMT"),
}


def _parameter(name: str, description: str, example: str | None = None, **schema: Any) -> dict[str, Any]:
    found = {"name": name, "in": "header", "description": description, "schema": {"type": "string", **schema}}
    return found if example is None else {**found, "example": example}


PARAMETERS: dict[str, Any] = {
    "TenantId": _parameter(
        "X-Tenant-Id",
        "The tenant to act for, by its slug. Any key may name its own tenant, an administrator's any.",
        maxLength=63,
    ),
    "IdempotencyKey": _parameter(
        "Idempotency-Key",
        "The same key with the same request within 24 hours gets the first answer, and the work is done once.",
        pattern="^[\\x21-\\x7e]{1,255}$",
    ),
    "IfMatch": _parameter("If-Match", "An `ETag`: 412 when what can be configured has been changed since."),
    "IfNoneMatch": _parameter("If-None-Match", "An `ETag`: 304 when nothing has changed since."),
    "LastEventId": _parameter("Last-Event-ID", "The id of the last event that was seen; the stream goes on after it."),
}


def reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}
