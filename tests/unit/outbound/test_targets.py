# SPDX-License-Identifier: Apache-2.0
"""URLs and headers as they go out on the wire."""

import pytest
from castwarden_base.http import InvalidUrl, check_url
from castwarden_gateway.outbound.targets import Origin, request_head, target


@pytest.mark.parametrize(
    ("url", "origin", "line", "host"),
    [
        ("http://hooks.example", Origin(False, "hooks.example", 80), "POST / HTTP/1.1", "hooks.example"),
        ("https://Hooks.Example./a?b=c#d", Origin(True, "hooks.example", 443), "POST /a?b=c HTTP/1.1", "hooks.example"),
        (
            "https://hooks.example:8443/ä b",
            Origin(True, "hooks.example", 8443),
            "POST /%C3%A4%20b HTTP/1.1",
            "hooks.example:8443",
        ),
        ("http://[2606:4700::1]:80/x", Origin(False, "2606:4700::1", 80), "POST /x HTTP/1.1", "[2606:4700::1]"),
        (
            "http://bücher.example/",
            Origin(False, "xn--bcher-kva.example", 80),
            "POST / HTTP/1.1",
            "xn--bcher-kva.example",
        ),
    ],
)
def test_a_url_becomes_an_origin_and_a_request_line(url: str, origin: Origin, line: str, host: str) -> None:
    found = target(check_url(url))
    lines = found.head.split("\r\n")
    assert found.origin == origin
    assert lines[0] == line
    assert lines[1] == f"Host: {host}"


def test_a_head_ends_with_the_length() -> None:
    head = request_head(target(check_url("http://a.example/")), {"X-A": "1", "X-B": "ü"}, 12)
    assert head.endswith("X-A: 1\r\nX-B: ü\r\nContent-Length: 12\r\n\r\n".encode())


@pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X": "a\nb"}, {"X\r\nY": "a"}, {"X": "a\0"}, {"X": "a\rb"}])
def test_a_header_with_a_line_break_is_never_sent(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidUrl):
        request_head(target(check_url("http://a.example/")), headers, 0)
