# SPDX-License-Identifier: Apache-2.0
"""The client against servers that answer well, badly, late and not at all."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from castwarden_gateway.outbound import dial
from castwarden_gateway.outbound.client import Client, Outcome
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LOOPBACK = (ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[int]]


class Names(AbstractResolver):
    """Leads every name to the addresses that a test gives."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if not self.addresses:
            raise OSError("no such name")
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in self.addresses
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler)` gives the port; the handler runs once a connection."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler, tls: ssl.SSLContext | None = None) -> int:
            async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                try:
                    await handler(reader, writer)
                except (ConnectionError, asyncio.IncompleteReadError):
                    pass
                finally:
                    writer.close()

            server = await asyncio.start_server(run, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            port: int = server.sockets[0].getsockname()[1]
            return port

        yield start


async def request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def answering(*answers: bytes, times: int = 1) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers * times:
            await request(reader)
            writer.write(answer)
            await writer.drain()

    return handler


async def post(port: int, timeout: float = 5.0, host: str = "127.0.0.1", client: Client | None = None) -> Outcome:
    if client is not None:
        return await client.post(f"http://{host}:{port}/", b"{}", {"X-A": "b"}, timeout)
    async with Client(LOOPBACK) as fresh:
        return await fresh.post(f"http://{host}:{port}/", b"{}", {"X-A": "b"}, timeout)


async def test_what_is_sent_is_a_request_and_what_comes_back_is_the_answer(serve: Serve) -> None:
    got: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await request(reader))
        writer.write(b"HTTP/1.1 201 Created\r\nX-Request-Id: 7\r\nContent-Length: 2\r\n\r\nok")

    port = await serve(handler)
    outcome = await post(port)
    assert outcome == Outcome(201, {"x-request-id": "7", "content-length": "2"}, b"ok")
    assert got == [
        f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: castwarden\r\nAccept: */*\r\n".encode()
        + b"X-A: b\r\nContent-Length: 2\r\n\r\n{}"
    ]


async def test_a_connection_is_used_again_as_long_as_both_sides_allow(serve: Serve) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK, OK, OK.replace(b"Content", b"Connection: close\r\nContent"))(reader, writer)

    port = await serve(handler)
    async with Client(LOOPBACK) as client:
        for _ in range(6):
            assert (await post(port, client=client)).status == 200
    assert connections == 2


async def test_a_kept_connection_that_was_closed_meanwhile_costs_no_attempt(serve: Serve) -> None:
    requests = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await request(reader)
        requests += 1
        writer.write(OK)
        if requests == 1:
            await request(reader)  # the second is read, and the connection closed instead of an answer

    port = await serve(handler)
    async with Client(LOOPBACK) as client:
        assert (await post(port, client=client)).status == 200
        assert (await post(port, client=client)).status == 200
    assert requests == 2


async def test_a_connection_that_ends_within_the_answer_is_not_tried_again(serve: Serve) -> None:
    connections = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await answering(OK, b"HTTP/1.1 2")(reader, writer)

    port = await serve(handler)
    async with Client(LOOPBACK) as client:
        assert (await post(port, client=client)).status == 200
        assert (await post(port, client=client)).error == "protocol"
    assert connections == 1


@pytest.mark.parametrize(
    ("piece", "error"),
    [(b"X: y\r\n" * 1000, "protocol"), (b"x" * 65536, "protocol")],
)
async def test_headers_without_end_are_an_error_at_once(serve: Serve, piece: bytes, error: str) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(piece)
            await writer.drain()

    assert (await post(await serve(handler), timeout=30)).error == error


async def test_one_byte_at_a_time_ends_with_the_time_limit(serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        for byte in OK * 1000:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)

    outcome = await post(await serve(handler), timeout=1.0)
    assert (outcome.status, outcome.error, outcome.detail) == (None, "timeout", "no answer within 1 s")


async def test_nobody_listening_is_a_connect_error(unused_tcp_port: int) -> None:
    assert (await post(unused_tcp_port)).error == "connect"


async def test_a_name_that_nobody_knows_is_a_dns_error() -> None:
    async with Client(LOOPBACK, resolver=Names()) as client:
        assert (await post(80, host="nowhere.example", client=client)).error == "dns"


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(serve: Serve) -> None:
    port = await serve(answering(OK))
    names = Names("127.0.0.2", "127.0.0.1")  # nobody listens on the first
    async with Client(LOOPBACK, resolver=names) as client:
        assert (await post(port, host="two.example", client=client)).status == 200


async def test_a_name_is_asked_for_once_and_judged_at_every_socket(serve: Serve) -> None:
    port = await serve(answering(OK.replace(b"Content", b"Connection: close\r\nContent")))
    names = Names("127.0.0.1")
    async with Client(LOOPBACK, resolver=names) as client:
        assert (await post(port, host="one.example", client=client)).status == 200
        assert (await post(port, host="one.example", client=client)).status == 200
    assert names.asked == ["one.example"]
    async with Client((), resolver=names) as client:
        outcome = await post(port, host="one.example", client=client)
    assert outcome.error == "address_refused"


async def test_proxies_of_the_environment_are_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await post(await serve(answering(OK)))).status == 200


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """A server's context for a name, and the file of the authority that vouches for it (itself)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "pair.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, str(file)


async def test_tls_is_verified_and_says_which_name_it_wants(serve: Serve, tmp_path: Path) -> None:
    server, authority = certificate(tmp_path, "hooks.example")
    wanted: list[str] = []
    server.sni_callback = lambda _, name, __: wanted.append(name)
    port = await serve(answering(OK), server)
    trusting = dial.tls_context(lambda context: context.load_verify_locations(authority))
    async with Client(LOOPBACK, resolver=Names("127.0.0.1")) as client:

        async def ask(host: str, tls: ssl.SSLContext | None) -> Outcome:
            return await client.post(f"https://{host}:{port}/", b"{}", {}, 5.0, tls)

        assert (await ask("hooks.example", None)).error == "tls"
        assert (await ask("other.example", trusting)).error == "tls"
        assert (await ask("hooks.example", trusting)).status == 200
    assert wanted == ["hooks.example", "other.example", "hooks.example"]


async def test_plain_text_where_tls_is_spoken_ends_with_an_error(serve: Serve, tmp_path: Path) -> None:
    server, _ = certificate(tmp_path, "hooks.example")
    outcome = await post(await serve(answering(OK), server), timeout=2.0)
    assert outcome.error in ("disconnected", "protocol")


async def test_tls_to_a_server_that_speaks_none_ends_with_an_error(serve: Serve) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    port = await serve(handler)
    async with Client(LOOPBACK, resolver=Names("127.0.0.1")) as client:
        assert (await client.post(f"https://hooks.example:{port}/", b"", {}, 5.0)).error == "tls"
