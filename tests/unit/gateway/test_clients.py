# SPDX-License-Identifier: Apache-2.0
from ipaddress import ip_address, ip_network

import pytest
from castwarden_gateway.http.clients import group_of, resolve

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1,"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        (None, ["198.51.100.1"], None),
    ],
)
def test_only_what_a_trusted_proxy_saw_is_believed(peer: str | None, forwarded: list[str], client: str | None) -> None:
    assert resolve(peer, forwarded, PROXIES) == (ip_address(client) if client else None)


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert resolve("10.0.0.1", ["198.51.100.1"], []) == ip_address("10.0.0.1")


def test_a_subscriber_of_ipv6_is_one_client() -> None:
    assert group_of(ip_address("2001:db8::1")) == group_of(ip_address("2001:db8::ffff:1"))
    assert group_of(ip_address("2001:db8::1")) != group_of(ip_address("2001:db8:0:1::1"))
    assert group_of(ip_address("192.0.2.1")) != group_of(ip_address("192.0.2.2"))
