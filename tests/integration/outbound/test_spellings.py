# SPDX-License-Identifier: Apache-2.0
"""Every spelling of an address inside is refused: when a webhook or a source is registered, when a delivery goes out,
when a worker asks or is redirected, and at the socket itself, should a URL ever come past the first check.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from castwarden_base.http import BlockedAddress, InvalidUrl, check_url, get_following, outbound_session
from castwarden_base.names import Names
from castwarden_gateway.outbound.client import Client
from castwarden_gateway.outbound.dial import Dialer, NoConnection
from castwarden_gateway.outbound.receivers import Receivers
from castwarden_gateway.outbound.targets import Origin

FRONT = "127.0.0.2"  # the one address that is open in these tests: who redirects

OLD_IPV4 = [
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "0x7f.1",
    "0x7f.0.0.1",
    "0X7F.0X0.0X0.0X1",
    "0x7F000001",
    "0177.1",
    "0177.0.0.01",
    "00000177.0.0.1",
    "017700000001",
    "2130706433",
    "127.0x0.0.1",
    "127.000.000.001",
    "127.0.0.1.",
    "127.0.0.1..",
    "127.255.255.254",
]
UNICODE = [
    "127\u30020\u30020\u30021",  # ideographic full stops
    "127\uff0e0\uff0e0\uff0e1",  # fullwidth ones
    "\uff11\uff12\uff17.0.0.1",  # fullwidth digits
    "\u2460\u2461\u2466.0.0.1",  # circled ones
    "\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1",  # mathematical bold ones
    "lo\u00adcalhost",  # a soft hyphen
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",  # circled letters
    "\uff4cocalhost",
    "LOCALHOST",
    "localhost.",
    "LocalHost.LocalDomain",
    "a.b.localhost",
]
IPV6 = [
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[0000::0001]",
    "[::1%25lo]",
    "[::1%lo]",
    "[fe80::1%25eth0]",
    "[::127.0.0.1]",  # IPv4-compatible
    "[::ffff:127.0.0.1]",  # IPv4-mapped
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",  # IPv4-translated (SIIT)
    "[64:ff9b::127.0.0.1]",  # NAT64
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",  # NAT64 of a local prefix
    "[2002:7f00:1::]",  # 6to4
    "[2001:0:7f00:1::]",  # Teredo
    "[fe80::5efe:127.0.0.1]",  # ISATAP
    "[fec0::1]",  # site-local
    "[fd00:ec2::254]",
    "[ff02::1]",
]
TRICKS = [
    "%31%32%37.0.0.1",
    "127.0.0.1%2e",
    "127.0.0.1%00.example.com",
    "example.com@127.0.0.1",
    "example.com:80@127.0.0.1",
    "user:secret@127.0.0.1",
    "example.com\\@127.0.0.1",
    "127.0.0.1\\.example.com",
    "127.0.0.1\t",
    "127.0.\n0.1",
    "127.0.0.1\r\nHost: example.com",
    " 127.0.0.1",
]
INSIDE = [
    "10.0.0.1",
    "10.96.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0xA9FEA9FE",
    "[::ffff:a9fe:a9fe]",
    "100.100.100.200",
    "168.63.129.16",
    "metadata.google.internal",
    "kubernetes.default.svc",
    "kubernetes",
    "gateway.castwarden.svc.cluster.local.",
]
SPELLINGS = [*OLD_IPV4, *UNICODE, *IPV6, *TRICKS, *INSIDE]


@dataclass
class Inside:
    """A server that only the inside may reach."""

    port: int = 0
    connections: list[str] = field(default_factory=list)


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    found = Inside()

    def taken(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    async with server:
        yield found


@pytest.fixture
async def front() -> AsyncIterator[str]:
    """Redirects to wherever it is told."""

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]})

    app = web.Application()
    app.router.add_get("/", redirect)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, FRONT, 0).start()
    yield f"http://{FRONT}:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_address_inside_is_registered_or_delivered_to(host: str, inside: Inside) -> None:
    url = f"http://{host}:{inside.port}/"
    with pytest.raises((InvalidUrl, BlockedAddress)):
        check_url(url)
    async with Client() as client:
        outcome = await client.post(url, b"{}", {}, 5)
    assert outcome.error in ("address_refused", "invalid_url")
    assert inside.connections == []


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_redirect_leads_a_worker_inside_however_it_is_spelled(host: str, inside: Inside, front: str) -> None:
    target = quote(f"http://{host}:{inside.port}/", safe="")
    async with outbound_session([ip_network(f"{FRONT}/32")]) as session:
        with pytest.raises(aiohttp.ClientError):
            async with get_following(session, f"{front}?to={target}"):
                pass
    assert inside.connections == []


@pytest.mark.parametrize("host", [host.strip("[]") for host in [*OLD_IPV4, *UNICODE, *IPV6]])
async def test_the_socket_is_refused_to_what_the_system_makes_of_a_spelling(host: str, inside: Inside) -> None:
    dialer = Dialer(Receivers(), Names(), 5)
    with pytest.raises((BlockedAddress, NoConnection)):
        await dialer.connect(Origin(False, host, inside.port))
    assert inside.connections == []


class Answers(AbstractResolver):
    """A name server that answers with other addresses each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["::ffff:127.0.0.1"]],
        [["64:ff9b::7f00:1"]],
        [["::1", "127.0.0.1"]],
        [["10.0.0.1"], ["127.0.0.1"]],
        [[FRONT], ["127.0.0.1"]],  # harmless at first
    ],
    ids=str,
)
async def test_a_name_that_leads_inside_is_refused_whenever_it_begins_to(
    answers: list[list[str]], inside: Inside
) -> None:
    async with Client([ip_network(f"{FRONT}/32")], resolver=Answers(*answers), connect_seconds=2) as client:
        for _ in answers:
            await client.post(f"http://harmless.example:{inside.port}/", b"{}", {}, 5)
            client._dialer._names.clear()
    assert inside.connections == []


async def test_a_name_with_addresses_outside_and_inside_is_reached_outside_only(inside: Inside) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), FRONT, inside.port)
    resolver = Answers(["127.0.0.1", FRONT])
    async with server, Client([ip_network(f"{FRONT}/32")], resolver=resolver) as client:
        outcome = await client.post(f"http://both.example:{inside.port}/", b"{}", {}, 5)
    assert outcome.error == "disconnected"
    assert inside.connections == []


async def test_a_host_that_is_opened_by_name_is_reached_wherever_it_leads_and_no_other_is(inside: Inside) -> None:
    async with Client(hosts=["hook.tools.svc"], resolver=Answers(["127.0.0.1"])) as client:
        refused = await client.post(f"http://other.tools.svc:{inside.port}/", b"{}", {}, 5)
        assert (refused.error, inside.connections) == ("address_refused", [])
        await client.post(f"http://hook.tools.svc:{inside.port}/", b"{}", {}, 5)
    assert len(inside.connections) == 1
