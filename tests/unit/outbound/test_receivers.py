# SPDX-License-Identifier: Apache-2.0
"""Hosts that are opened by name, and no other."""

from ipaddress import ip_network

import pytest
from castwarden_base.http import BlockedAddress, InvalidUrl
from castwarden_gateway.outbound.receivers import HOST, Receivers

RECEIVERS = Receivers([ip_network("10.1.0.0/16")], ["hook.tools.svc", "*.hooks.svc"])


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.tools.svc/a",
        "http://HOOK.tools.svc./a",
        "http://a.hooks.svc:8080/",
        "http://a.b.hooks.svc/",
        "http://10.1.2.3/",
        "https://example.com/",
    ],
)
def test_what_is_opened_may_be_registered(url: str) -> None:
    RECEIVERS.check(url)


@pytest.mark.parametrize("url", ["http://10.2.0.1/", "http://127.0.0.1/", "http://localhost/"])
def test_what_is_not_opened_may_not(url: str) -> None:
    with pytest.raises(BlockedAddress):
        RECEIVERS.check(url)


@pytest.mark.parametrize(
    "host", ["tools.svc", "xhook.tools.svc", "hook.tools.svc.evil.example", "hooks.svc", "xhooks.svc", ""]
)
def test_a_name_like_it_is_another_one(host: str) -> None:
    assert RECEIVERS.open_to(host) == (ip_network("10.1.0.0/16"),)


def test_a_host_that_is_open_does_not_make_a_url_of_what_is_none() -> None:
    for url in ("ftp://hook.tools.svc/", "http://user:secret@hook.tools.svc/", "http://[", "hook.tools.svc"):
        with pytest.raises(InvalidUrl):
            RECEIVERS.check(url)


@pytest.mark.parametrize("text", ["*", "*.", "*svc", "a*.svc", "a.svc:80", "http://a.svc", "a b", "a.svc/", ".svc"])
def test_what_is_no_host_is_refused_as_a_setting(text: str) -> None:
    assert not HOST.fullmatch(text)
