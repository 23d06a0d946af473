# SPDX-License-Identifier: Apache-2.0
"""The keyring that encrypts secrets at rest: AES-256-GCM, with the key named in each sealed text.

To rotate keys, put the new one first and keep the old ones until the gateway has started once: it seals all anew.
"""

import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_ID_BYTES = 8
_NONCE_BYTES = 12
_FORMAT = b"\x01"


class UnreadableSecret(Exception):
    """The sealed text was made with a key that the keyring does not hold, or was tampered with."""


class Keyring:
    """The first key seals, every key opens. `context` ties a sealed text to its owner: elsewhere it does not open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError(f"a keyring needs at least one key, and every key has {_KEY_BYTES} bytes")
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._current = _key_id(keys[0])

    def seal(self, text: str, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _FORMAT + self._current + nonce + self._ciphers[self._current].encrypt(nonce, text.encode(), context)

    def open(self, sealed: bytes, context: bytes) -> str:
        """Raises UnreadableSecret."""
        key_id, rest = sealed[1 : 1 + _ID_BYTES], sealed[1 + _ID_BYTES :]
        cipher = self._ciphers.get(key_id)
        if cipher is None or sealed[:1] != _FORMAT:
            raise UnreadableSecret("sealed with a key that is not in the keyring")
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context).decode()
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
            raise UnreadableSecret("does not open: changed, or moved from another owner") from error

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest key sealed it."""
        return sealed[1 : 1 + _ID_BYTES] == self._current


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"castwarden keyring" + key).digest()[:_ID_BYTES]
