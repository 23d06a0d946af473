# SPDX-License-Identifier: Apache-2.0
"""Options that are refused although their schema lets them through, each with a pointer to the field."""

from typing import Any

import pytest
from castwarden_gateway.http.problems import InvalidRequest
from castwarden_gateway.webhooks.checks import check

from tests.unit.webhooks.certificates import pair


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x y"},
        {"X-Api-Key": "k", "Cookie": "a=b; c=d"},
        {"x": "~" * 2000},
        {"X-Trace": "1"},
    ],
)
def test_plain_headers_are_taken(headers: Any) -> None:
    check({"headers": headers})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: b"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X-A", "a\tb"),
        ("X-A", ""),
        ("X-A", " a"),
        ("X-A", "a "),
        ("X-A", "a\n"),
        ("X-A", "ü"),
        ("X-A", "a" * 2001),
        ("X-A\r\nX-B", "a"),
        ("X-A\n", "a"),
        ("X A", "a"),
        ("X-A:", "a"),
        ("", "a"),
        ("X-" + "a" * 99, "a"),
        ("Host", "inside"),
        ("host", "inside"),
        ("Connection", "close"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers"),
        ("Trailer", "x"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "x"),
        ("Content-Length", "0"),
        ("Content-Type", "text/plain"),
        ("Expect", "100-continue"),
        ("Webhook-Id", "x"),
        ("webhook-signature", "v1,x"),
        ("X-Signature-256", "sha256=0"),
        ("X-Webhook-Signature", "sha256=0"),
        ("User-Agent", "x"),
        ("Accept-Encoding", "gzip"),
    ],
)
def test_a_header_that_injects_or_belongs_to_others_is_refused(name: str, value: str) -> None:
    (pointer,) = refused({"headers": {"X-Fine": "1", name: value}})
    assert pointer == f"/headers/{name}"


def test_a_header_given_twice_in_other_letters_is_refused() -> None:
    assert refused({"headers": {"X-A": "1", "x-a": "2"}}) == ["/headers/x-a"]


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"filter": {"data": {"a/b": {"$near": 1}}}}, ["/filter/data/a~1b/$near"]),
        ({"retry": "custom"}, ["/retry_waits"]),
        ({"retry_waits": [5.0]}, ["/retry_waits"]),
        ({"retry": "seed", "retry_waits": [5.0]}, ["/retry_waits"]),
        ({"signature": "v1a", "profile": "timestamped"}, ["/signature"]),
        ({"client_certificate": {"certificate": "x", "key": "y"}}, ["/client_certificate"]),
        ({"headers": {"Host": "a"}, "retry": "custom"}, ["/headers/Host", "/retry_waits"]),
    ],
)
def test_every_wrong_field_is_named(values: Any, pointers: list[str]) -> None:
    assert refused(values) == pointers


def test_the_profile_of_an_endpoint_that_signs_with_ed25519_stays_standard() -> None:
    check({"profile": "standard"}, public_key="whpk_x")
    check({"retry": "seed"}, public_key="whpk_x")
    with pytest.raises(InvalidRequest):
        check({"profile": "timestamped"}, public_key="whpk_x")


def test_a_certificate_is_taken_with_its_own_key_alone() -> None:
    one, other = pair("one"), pair("other")
    check({"client_certificate": {"certificate": one.certificate, "key": one.key}})
    for certificate, key in (
        (one.certificate, other.key),
        (one.certificate, ""),
        ("", one.key),
        (one.certificate, pair("locked", password=b"secret").key),
        ("\ud800", one.key),
    ):
        assert refused({"client_certificate": {"certificate": certificate, "key": key}}) == ["/client_certificate"]


def refused(values: Any) -> list[str | None]:
    with pytest.raises(InvalidRequest) as problem:
        check(values)
    return [error.pointer for error in problem.value.errors]
