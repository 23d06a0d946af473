# SPDX-License-Identifier: Apache-2.0
"""AES-128 segments (RFC 8216 §4.3.2.4): CBC over the whole segment, PKCS#7 padding."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ..errors import SegmentError

_BLOCK = 16


def decrypt(data: bytes, key: bytes, iv: bytes) -> bytes:
    """The segment in clear. SegmentError when key, length or padding are wrong."""
    if len(key) != _BLOCK:
        raise SegmentError(f"a key of {len(key)} bytes, 16 are needed")
    if not data or len(data) % _BLOCK:
        raise SegmentError("the encrypted segment is cut short")
    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    unpadder = PKCS7(8 * _BLOCK).unpadder()
    try:
        return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise SegmentError("the segment cannot be decrypted: wrong key") from error
