# SPDX-License-Identifier: Apache-2.0
"""API keys: 32 random bytes, shown once. At rest: a SHA-256 (high entropy needs no slow hash) and a short prefix."""

import base64
import hashlib
import secrets

PREFIX = "yttr_"
_SHOWN = 12


def new_key() -> str:
    return PREFIX + base64.b32encode(secrets.token_bytes(32)).decode().rstrip("=")


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()  # a header may hold any bytes


def shown_prefix(key: str) -> str:
    """What lists show, so that an owner can tell keys apart. Short keys show less, never half of themselves."""
    return key[: min(_SHOWN, len(key) // 3)]
