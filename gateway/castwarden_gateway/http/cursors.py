# SPDX-License-Identifier: Apache-2.0
"""Keyset pages: an opaque cursor names the last row seen, so that inserts and deletes never shift a page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from castwarden_gateway.http.problems import FieldError, InvalidRequest
from castwarden_gateway.http.routes import Reply

T = TypeVar("T")
_VERSION = 1


class PageQuery(BaseModel):
    """The query parameters of every list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=200, description="Rows on one page.")
    cursor: str | None = Field(
        default=None, max_length=1024, description="Where the page before ended: it is part of `links.next`."
    )


def encode(*key: str | int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([_VERSION, *key])).rstrip(b"=").decode()


def decode(cursor: str | None, read: Callable[..., T]) -> T | None:
    """`read(*key)` for a cursor of ours. Raises InvalidRequest for anything else."""
    if cursor is None:
        return None
    try:
        version, *key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        found = read(*key)
    except (ValueError, TypeError, binascii.Error):
        version, found = None, None
    if version != _VERSION:
        raise InvalidRequest(errors=[FieldError("not a cursor of this API", parameter="cursor")])
    return found


def page(url: URL, rows: Sequence[T], limit: int, key: Callable[[T], str], view: Callable[[T], Any]) -> Reply:
    """The envelope of a list, given `limit + 1` rows or fewer and the URL that was asked for, without its host.

    `links.next` is the same URL with the next page's cursor, or null; the header `Link` says the same (RFC 8288).
    """
    shown = rows[:limit]
    following = str(url.update_query(cursor=key(shown[-1]))) if len(rows) > limit else None
    body = {
        "data": [view(row) for row in shown],
        "meta": {"count": len(shown)},
        "links": {"next": following},
    }
    return Reply(body, headers={"Link": f'<{following}>; rel="next"'} if following else {})
