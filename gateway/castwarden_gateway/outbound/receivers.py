# SPDX-License-Identifier: Apache-2.0
"""Receivers that are opened by name: inside a cluster a Service keeps its name, not its address. Pure."""

import re
from collections.abc import Iterable
from ipaddress import ip_network

from castwarden_base.addresses import Network
from castwarden_base.http import check_url
from yarl import URL

HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
"""One host, or `*.` and what its name ends with."""
_EVERYTHING: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


class Receivers:
    """`networks` are open whatever leads to them, `hosts` wherever they lead. The names are those of `HOST`."""

    def __init__(self, networks: Iterable[Network] = (), hosts: Iterable[str] = ()) -> None:
        self._networks = tuple(networks)
        self._exact = frozenset(host for host in hosts if not host.startswith("*"))
        self._suffixes = tuple(host[1:] for host in hosts if host.startswith("*"))

    def open_to(self, host: str) -> tuple[Network, ...]:
        """The private networks that a connection to this host may lead to."""
        name = host.rstrip(".").lower()
        opened = name in self._exact or bool(self._suffixes and name.endswith(self._suffixes))
        return _EVERYTHING if opened else self._networks

    def check(self, url: str) -> URL:
        """`check_url` for the URL of a receiver. Raises InvalidUrl or BlockedAddress."""
        return check_url(url, self.open_to(_host_of(url)))


def _host_of(url: str) -> str:
    """Empty for what is no URL, which `check_url` refuses."""
    try:
        return URL(url).raw_host or ""
    except ValueError:
        return ""
