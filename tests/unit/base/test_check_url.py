# SPDX-License-Identifier: Apache-2.0
"""The friendly check at registration: what it refuses, and how."""

from ipaddress import ip_network

import pytest
from castwarden_base.http import BlockedAddress, InvalidUrl, check_url

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "example.com",
        "http://",
        "http:///path",
        "",
        "http://user:secret@example.com/",
        "http://user@example.com/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://[::1",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://exa mple.com/",
        "http://%31%32%37.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://.../",
        " http://example.com/",
        "http://exam\nple.com/",
    ],
)
def test_what_is_no_fetchable_url_is_invalid(url: str) -> None:
    with pytest.raises(InvalidUrl):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://gateway/",
        "http://gateway.castwarden.svc/",
        "http://gateway.castwarden.svc.cluster.local/",
        "http://printer.local/",
        "http://127.0.0.1./",
        "http://127\u30020\u30020\u30021/",
        "http://[fe80::1%25eth0]/",
    ],
)
def test_what_leads_inside_is_blocked(url: str) -> None:
    with pytest.raises(BlockedAddress):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a?b=c",
        "https://example.com/a film.mp4",
        "http://93.184.216.34/",
        "http://[2606:4700::1111]/",
        "https://bücher.example/",
        "https://a_b.example./",
    ],
)
def test_a_public_url_passes(url: str) -> None:
    assert check_url(url).scheme in ("http", "https")


def test_an_allowed_network_opens_literals_and_localhost() -> None:
    check_url("http://127.0.0.1:1/", LOOPBACK)
    check_url("http://localhost:1/", LOOPBACK)
    with pytest.raises(BlockedAddress):
        check_url("http://10.0.0.1/", LOOPBACK)


def test_inside_names_are_left_to_the_check_at_the_connection_once_some_network_is_allowed() -> None:
    check_url("http://gateway.castwarden.svc/", [ip_network("10.96.0.0/12")])


def test_an_error_never_repeats_credentials() -> None:
    with pytest.raises(InvalidUrl) as caught:
        check_url("http://user:hunter2@example.com/")
    assert "hunter2" not in str(caught.value)
