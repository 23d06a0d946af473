# SPDX-License-Identifier: Apache-2.0
"""Answers as receivers write them: whole, in single bytes, without end."""

import pytest
from castwarden_gateway.outbound.answer import BODY_LIMIT, DRAIN_LIMIT, HEAD_LIMIT, AnswerReader, Malformed
from hypothesis import given
from hypothesis import strategies as st

OK = b"HTTP/1.1 200 OK\r\n"
CASES = {
    "length": (OK + b"Content-Length: 3\r\n\r\nabc", 200, b"abc", True),
    "empty": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "close": (OK + b"Connection: Close\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", False),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", False),
    "old and kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc", True),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, b"abcde", True),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", 200, b"a", True),
    "both": (OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 200, b"a", False),
    "bare LF": (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", 200, b"abc", True),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", 200, b"a", True),
    "same length twice": (OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 200, b"a", True),
    "bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\naX", 200, b"a", False),
    "no chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", 200, b"", False),
}


def read(data: bytes, step: int) -> AnswerReader:
    reader = AnswerReader()
    for at in range(0, len(data), step):
        reader.feed(data[at : at + step])
    return reader


@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
@pytest.mark.parametrize("name", CASES)
def test_an_answer_is_the_same_however_it_is_cut(name: str, step: int) -> None:
    data, status, body, reusable = CASES[name]
    reader = read(data, step)
    assert (reader.done, reader.status, reader.body, reader.reusable) == (True, status, body, reusable)


@pytest.mark.parametrize("step", [1, 10_000])
def test_a_body_without_a_length_ends_with_the_connection(step: int) -> None:
    reader = read(OK + b"\r\nabc", step)
    assert not reader.done
    reader.closed()
    assert (reader.done, reader.body, reader.reusable) == (True, b"abc", False)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 no\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b" folded: x\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    ],
)
def test_what_is_no_answer_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data, 10_000)


@pytest.mark.parametrize("line", [b"X: y\r\n", b"x" * 1000])
def test_headers_without_end_are_cut_off(line: bytes) -> None:
    reader = AnswerReader()
    reader.feed(OK)
    for _ in range((HEAD_LIMIT - len(OK)) // len(line)):
        reader.feed(line)
    with pytest.raises(Malformed, match="headers"):
        reader.feed(line)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"\r\n", b"x" * 1000),
        (b"Content-Length: 999999999999\r\n\r\n", b"x" * 1000),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"x" * 1000 + b"\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 1000),
    ],
)
def test_a_body_without_end_is_left_unread_after_its_first_bytes(head: bytes, piece: bytes) -> None:
    reader, fed = AnswerReader(), 0
    reader.feed(OK + head)
    while not reader.done:
        reader.feed(piece)
        fed += len(piece)
        assert fed <= DRAIN_LIMIT + 1000 + len(piece)
    assert not reader.reusable
    assert reader.body in (b"x" * BODY_LIMIT, b"")


def test_what_comes_after_the_answer_makes_the_connection_unusable() -> None:
    together = read(OK + b"Content-Length: 1\r\n\r\naHTTP/1.1 500", 10_000)
    later = read(OK + b"Content-Length: 1\r\n\r\na", 10_000)
    later.feed(b"H")
    assert not together.reusable
    assert not later.reusable


def test_a_head_that_is_cut_off_is_malformed_and_nothing_at_all_is_not() -> None:
    with pytest.raises(Malformed, match="within the head"):
        read(OK, 10_000).closed()
    silent = AnswerReader()
    silent.closed()
    assert not silent.done
    assert silent.untouched


@given(
    st.lists(st.binary(max_size=40), max_size=8), st.sampled_from([b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"])
)
def test_whatever_comes_is_read_or_malformed(pieces: list[bytes], start: bytes) -> None:
    reader = AnswerReader()
    try:
        for piece in [start, *pieces]:
            reader.feed(piece)
        reader.closed()
    except Malformed:
        return
    assert len(reader.body) <= BODY_LIMIT
    assert reader.done == reader.head_read
