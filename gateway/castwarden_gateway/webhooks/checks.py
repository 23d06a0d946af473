# SPDX-License-Identifier: Apache-2.0
"""What an endpoint's options must be beyond their schema. Pure; every refusal points at the field."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from castwarden_gateway.http.problems import FieldError, InvalidRequest, pointer
from castwarden_gateway.webhooks import certificates, conditions

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,1998}[\x21-\x7e])?")
_RESERVED = frozenset(
    (
        "accept",
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-signature-256",
        "x-timestamp",
        "x-webhook-event",
        "x-webhook-id",
        "x-webhook-signature",
    )
)
"""Of one connection alone, or ours."""
_RESERVED_PREFIXES = ("content-", "proxy-", "webhook-")


def check(values: Mapping[str, Any], *, public_key: str | None = None) -> None:
    """Raises InvalidRequest for what is given and cannot be used. `public_key`: that of an endpoint which has one."""
    errors = [
        *_wrong_headers(values.get("headers") or {}),
        *_wrong_filter(values.get("filter") or {}),
        *_wrong_retry(values),
        *_wrong_signature(values, public_key),
        *_wrong_certificate(values.get("client_certificate")),
    ]
    if errors:
        raise InvalidRequest(f"Wrong fields in the body: {len(errors)}; see errors.", errors=errors)


def _wrong_headers(headers: Mapping[str, str]) -> Iterator[FieldError]:
    seen: set[str] = set()
    for name, value in headers.items():
        where, low = pointer(("headers", name)), name.lower()
        if not _NAME.fullmatch(name):
            yield FieldError("not the name of a header, or longer than 100 characters", where)
        elif low in _RESERVED or low.startswith(_RESERVED_PREFIXES):
            yield FieldError("this header is set by the gateway or belongs to the connection", where)
        elif low in seen:
            yield FieldError("given twice, in different letters", where)
        elif not _VALUE.fullmatch(value):
            yield FieldError("a value has 1 to 2000 visible ASCII characters and no line break", where)
        seen.add(low)


def _wrong_filter(condition: Mapping[str, Any]) -> Iterator[FieldError]:
    try:
        conditions.check(condition)
    except conditions.InvalidCondition as error:
        yield FieldError(str(error), pointer(("filter", *error.path)))


def _wrong_retry(values: Mapping[str, Any]) -> Iterator[FieldError]:
    custom, waits = values.get("retry") == "custom", values.get("retry_waits")
    if custom and waits is None:
        yield FieldError("needed with retry: custom", "/retry_waits")
    if waits is not None and not custom:
        yield FieldError("only with retry: custom", "/retry_waits")


def _wrong_signature(values: Mapping[str, Any], public_key: str | None) -> Iterator[FieldError]:
    other = values.get("profile", "standard") != "standard"
    if other and values.get("signature") == "v1a":
        yield FieldError("v1a goes with the profile standard alone", "/signature")
    elif other and public_key is not None:
        yield FieldError("an endpoint that signs with v1a has the profile standard", "/profile")


def _wrong_certificate(given: Mapping[str, str] | None) -> Iterator[FieldError]:
    if given is None:
        return
    try:
        certificates.check(certificates.joined(given))
    except certificates.UnusableCertificate as error:
        yield FieldError(str(error), "/client_certificate")
