# SPDX-License-Identifier: Apache-2.0
"""What of an RTSP server's words gets through, and noise."""

from contextlib import suppress

import pytest
from castwarden_worker import rtsp_gate
from castwarden_worker.rtsp_gate import NotAllowed, RtspGate
from hypothesis import given
from hypothesis import strategies as st

OK = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n"
SDP = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 9\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=x\n"
MEDIA = b"$\0\0\5RTSP/"


def test_answers_and_interleaved_media_pass() -> None:
    assert RtspGate().feed(OK + MEDIA + SDP) == OK + MEDIA + SDP.replace(b"Content-Length: 9\r\n", b"").replace(
        b"application/sdp\r\n", b"application/sdp\r\nContent-Length: 9\r\n"
    )


@given(st.integers(1, 40))
def test_answers_pass_in_whatever_pieces_they_come(size: int) -> None:
    data, gate = OK + MEDIA + SDP + MEDIA, RtspGate()
    passed = b"".join(gate.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert passed == RtspGate().feed(data)


@pytest.mark.parametrize("status", [300, 301, 302, 307, 399])
def test_a_redirect_never_passes(status: int) -> None:
    gate = RtspGate()
    with pytest.raises(NotAllowed, match="redirects"):
        gate.feed(OK + b"RTSP/1.0 %d Moved\r\nLocation: rtsp://127.0.0.1/\r\n\r\n" % status)


def test_a_refusal_passes_and_is_remembered() -> None:
    gate = RtspGate()
    gate.feed(b"RTSP/1.0 404 Not Found\r\n\r\n")
    assert gate.status == 404


def test_what_a_server_asks_does_not_pass() -> None:
    assert RtspGate().feed(b"ANNOUNCE rtsp://a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nhi" + OK) == OK


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
        b"RTSP/1.0 200 OK\nRTSP/1.0 302 Moved\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nX: a\nRTSP/1.0 302 Moved\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n$\0\0\1: x\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 99\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"a" * 40_000,
    ],
)
def test_what_could_be_read_in_another_way_does_not_pass(data: bytes) -> None:
    with pytest.raises(NotAllowed):
        RtspGate().feed(data)


_PIECES = st.sampled_from([OK, MEDIA, SDP, b"\r\n", b"$", b"RTSP/1.0 ", b"302", b" Moved", b"Location: x", b"\n"])


@given(st.lists(st.one_of(_PIECES, st.binary(max_size=5)), max_size=12).map(b"".join))
def test_no_mixture_lets_a_line_with_a_redirect_through(data: bytes) -> None:
    gate = RtspGate()
    with suppress(NotAllowed):
        passed = gate.feed(data)
        while passed.startswith(b"$"):
            passed = passed[4 + int.from_bytes(passed[2:4]) :]
        assert not passed.startswith(b"RTSP/1.0 3")


def test_a_head_is_read_once_however_slowly_its_body_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []
    inner = rtsp_gate._header

    def counted(line: bytes) -> tuple[bytes, bytes]:
        read.append(line)
        return inner(line)

    monkeypatch.setattr(rtsp_gate, "_header", counted)
    message = b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 100 + b"Content-Length: 500\r\n\r\n" + b"$" * 500
    gate = RtspGate()
    passed = b"".join(gate.feed(message[at : at + 1]) for at in range(len(message)))
    assert passed.endswith(b"\r\n\r\n" + b"$" * 500)
    assert len(read) == 101
    assert gate.feed(OK + SDP).startswith(OK)


@pytest.mark.parametrize("piece", [1000, 10**6])
def test_a_head_that_is_too_long_does_not_pass_even_when_it_has_an_end(piece: int) -> None:
    data, gate = b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 6000 + b"\r\n", RtspGate()
    pieces = (gate.feed(data[at : at + piece]) for at in range(0, len(data), piece))
    with pytest.raises(NotAllowed, match="without end"):
        list(pieces)
