# SPDX-License-Identifier: Apache-2.0
"""The bytes of a request's body, never more than may be read."""

from aiohttp import hdrs, web

from castwarden_gateway.http.problems import MalformedRequest, TooLarge, UnsupportedMediaType

_CODINGS = ("", "identity", "gzip", "deflate")


async def read_bytes(http: web.Request) -> bytes:
    """What aiohttp has unpacked, up to `client_max_size`. Raises the Problem of a body that cannot be read.

    A length that is too much is refused before anything is read, a coding that aiohttp would pass on packed as well.
    """
    coding = http.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if coding not in _CODINGS:
        raise UnsupportedMediaType(
            "Content-Encoding can be gzip or deflate.", headers={"Accept-Encoding": "gzip, deflate"}
        )
    if (http.content_length or 0) > http.client_max_size:
        raise too_large(http)
    try:
        return await http.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large(http) from error
    except web.RequestPayloadError as error:
        raise MalformedRequest(f"The body is not {coding}." if coding else "The body cannot be read.") from error
    except ConnectionError as error:
        raise MalformedRequest("The body ended before its end.") from error


def too_large(http: web.Request) -> TooLarge:
    return TooLarge(f"At most {http.client_max_size} bytes are read.")
