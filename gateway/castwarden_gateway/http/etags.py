# SPDX-License-Identifier: Apache-2.0
"""Entity tags: `"<version>.<digest of the body>"`, strong because any other body has another one.

`If-None-Match` compares the whole tag, so that 304 means the same bytes. `If-Match` compares only the version: what a
client means to change has not been changed, while what is seen of it (a stream's health, a counter) goes on changing.
"""

import hashlib
from dataclasses import dataclass

from castwarden_gateway.http.problems import PreconditionFailed

_DIGITS = 24


def tag_of(body: bytes, version: str = "") -> str:
    digest = hashlib.sha256(body).hexdigest()[:_DIGITS]
    return f'"{version}.{digest}"' if version else f'"{digest}"'


def unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has just this. The comparison is the weak one (RFC 9110 §13.1.2)."""
    if not if_none_match:
        return False
    return "*" in (tags := _tags(if_none_match)) or tag in {each.removeprefix("W/") for each in tags}


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The precondition of a change. None: there is none."""

    header: str | None = None

    def holds(self, version: str) -> bool:
        """A weak tag never matches (RFC 9110 §13.1.1)."""
        if self.header is None:
            return True
        tags = _tags(self.header)
        return "*" in tags or version in {tag.strip('"').rpartition(".")[0] for tag in tags if tag.startswith('"')}

    def require(self, version: str) -> None:
        """Raises PreconditionFailed."""
        if not self.holds(version):
            raise PreconditionFailed(f"It is at version {version} now; read it again.")


def _tags(header: str) -> set[str]:
    return {tag.strip() for tag in header.split(",")}
