# SPDX-License-Identifier: Apache-2.0
"""Which addresses the guard refuses."""

from ipaddress import ip_address, ip_network

import pytest
from castwarden_base.addresses import parse_address, refusal


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_inside_address_is_refused(text: str) -> None:
    assert refusal(ip_address(text))


@pytest.mark.parametrize(
    "text", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.63.255.255", "2606:4700::1111", "::ffff:8.8.8.8"]
)
def test_a_public_address_is_let_through(text: str) -> None:
    assert refusal(ip_address(text)) is None


def test_nat64_of_a_public_address_is_let_through_because_ipv6_clusters_reach_ipv4_that_way() -> None:
    assert refusal(ip_address("64:ff9b::8.8.8.8")) is None


def test_an_allowed_network_opens_its_addresses_only() -> None:
    allow = [ip_network("10.1.0.0/16")]
    assert refusal(ip_address("10.1.2.3"), allow) is None
    assert refusal(ip_address("10.2.0.1"), allow) == "private"


def test_an_allowed_network_opens_its_addresses_in_ipv6_dress_too() -> None:
    assert refusal(ip_address("::ffff:10.1.2.3"), [ip_network("10.1.0.0/16")]) is None


def test_a_reason_names_what_the_address_is() -> None:
    assert refusal(ip_address("169.254.169.254")) == "cloud metadata"
    assert refusal(ip_address("127.0.0.1")) == "loopback"


@pytest.mark.parametrize("text", ["example.com", "127.1", "0x7f000001", "2130706433", "١٢٧.0.0.1", ""])
def test_only_a_canonical_spelling_is_an_address(text: str) -> None:
    assert parse_address(text) is None


def test_brackets_and_zone_belong_to_the_spelling() -> None:
    assert parse_address("[fe80::1%eth0]") == ip_address("fe80::1")
