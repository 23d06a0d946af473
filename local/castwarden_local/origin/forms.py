# SPDX-License-Identifier: Apache-2.0
"""Forms in which an HLS origin may list and serve the same segments: files, byte ranges of one file, encrypted."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

WHOLE = "whole.ts"  # the one file that ByteRanges has
_ROTATION = 2  # segments for which a key is used


@dataclass(frozen=True, slots=True)
class Listed:
    """A segment in its playlist: `sequence` as numbered there, `offset` and `size` in all media of its track."""

    name: str
    sequence: int
    offset: int
    size: int
    first: bool  # in the playlist


class Files:
    """One file per segment."""

    def lines(self, folder: str, listed: Listed) -> list[str]:
        """The tags that stand before the URI, and the URI."""
        return [f"{folder}/{listed.name}"]

    def body(self, data: bytes, sequence: int) -> bytes:
        return data

    def key(self, name: str) -> bytes | None:
        return None


class ByteRanges(Files):
    """All segments in one file, each announced with its place. Every other one leaves out where it begins."""

    def lines(self, folder: str, listed: Listed) -> list[str]:
        offset = f"@{listed.offset}" if listed.first or listed.sequence % 2 == 0 else ""
        return [f"#EXT-X-BYTERANGE:{listed.size}{offset}", f"{folder}/{WHOLE}"]


class Encrypted(Files):
    """AES-128 with keys that rotate: the media sequence as IV, then an IV that is given, then none at all."""

    def __init__(self) -> None:
        self._keys = {"key-0": bytes(range(16)), "key-1": bytes(range(16, 32))}

    def lines(self, folder: str, listed: Listed) -> list[str]:
        name, iv = self._used(listed.sequence)
        if name is None:
            return ["#EXT-X-KEY:METHOD=NONE", f"{folder}/{listed.name}"]
        given = f",IV=0x{iv.hex()}" if name == "key-1" else ""
        return [f'#EXT-X-KEY:METHOD=AES-128,URI="{folder}/{name}"{given}', f"{folder}/{listed.name}"]

    def body(self, data: bytes, sequence: int) -> bytes:
        name, iv = self._used(sequence)
        if name is None:
            return data
        padder = PKCS7(128).padder()
        cipher = Cipher(algorithms.AES(self._keys[name]), modes.CBC(iv)).encryptor()
        return cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()

    def key(self, name: str) -> bytes | None:
        return self._keys.get(name)

    def _used(self, sequence: int) -> tuple[str | None, bytes]:
        turn = sequence // _ROTATION % 3
        if turn == 2:
            return None, b""
        return f"key-{turn}", sequence.to_bytes(16) if turn == 0 else (7 * sequence + 1).to_bytes(16)
