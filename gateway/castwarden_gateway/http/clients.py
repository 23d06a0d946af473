# SPDX-License-Identifier: Apache-2.0
"""Where a request comes from, when proxies stand before the gateway. Pure but for the request it reads."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import hdrs, web
from castwarden_base.settings import Network

TRUSTED = web.AppKey[Sequence[Network]]("trusted_proxies")
Address = IPv4Address | IPv6Address


def client_address(http: web.Request) -> Address | None:
    """None for a client without an address (a socket of this machine)."""
    return resolve(http.remote, http.headers.getall(hdrs.X_FORWARDED_FOR, []), http.app.get(TRUSTED, ()))


def resolve(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The rightmost address that is no trusted proxy's: what stands left of it may be invented by the client.

    A word that is no address ends the walk: the proxy that passed it on is as far as anybody knows.
    """
    known = _parse(peer or "")
    hops = [hop for line in forwarded for hop in line.split(",")]
    while known is not None and _within(known, trusted) and hops:
        before = _parse(hops.pop())
        if before is None:
            break
        known = before
    return known


def group_of(address: Address | None) -> str:
    """What counts as one client: an address, or the /64 that one subscriber of IPv6 has."""
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}::/64"
    return str(address)


def _parse(word: str) -> Address | None:
    """An address with or without a port, IPv6 with or without brackets; v4-mapped is v4."""
    text = word.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
