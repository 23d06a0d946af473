# SPDX-License-Identifier: Apache-2.0
"""UUIDv7 (RFC 9562 §5.7) for events, facts and reports: sorts by time, and strictly rises within one process."""

import hashlib
import random
import threading
import time
from datetime import datetime
from uuid import UUID

_TAIL_BITS = 74  # rand_a (12) and rand_b (62), used as one counter with a random start
_random_bits = random.getrandbits  # an id need not be unguessable, and asking the kernel for each is dear
_lock = threading.Lock()
_last_ms = 0
_tail = 0


def uuid7() -> UUID:
    """A new id. When the clock stands still or steps back, the last millisecond is kept and the tail counts on."""
    global _last_ms, _tail
    now = time.time_ns() // 1_000_000
    with _lock:
        if now > _last_ms:
            _last_ms, _tail = now, _random_bits(_TAIL_BITS)
        else:
            _tail += 1 + _random_bits(32)
            if _tail >> _TAIL_BITS:
                _last_ms, _tail = _last_ms + 1, _random_bits(_TAIL_BITS)
        ms, tail = _last_ms, _tail
    return _compose(ms, tail)


def derived_uuid7(at: datetime, *words: str) -> UUID:
    """The id of something that happened at `at` and is named by `words`: the same each time it is asked for."""
    digest = int.from_bytes(hashlib.sha256("\0".join(words).encode()).digest())
    return _compose(int(at.timestamp() * 1000), digest & (1 << _TAIL_BITS) - 1)


def first_uuid7(at: datetime) -> UUID:
    """The lowest id that can have been made at `at`, to the millisecond: where what came since then begins."""
    return _compose(int(at.timestamp() * 1000), 0)


def ms_of(id_: UUID) -> int:
    """Milliseconds since 1970 at which a UUIDv7 was made."""
    return id_.int >> 80


def _compose(ms: int, tail: int) -> UUID:
    value = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    return UUID(int=value)
