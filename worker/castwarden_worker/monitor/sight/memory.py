# SPDX-License-Identifier: Apache-2.0
"""Gives freed memory back to the system: decoders take megabytes for moments, and malloc would keep them (glibc)."""

import ctypes
import time
from collections.abc import Callable
from threading import Lock

_EVERY = 2.0  # seconds; a process that watches many streams must not spend its time on this
_ARENA_MAX = -8  # M_ARENA_MAX in malloc.h


class Heap:
    """The C library's heap. Threads share one arena: what a thread frees the others can use."""

    def __init__(self) -> None:
        self._trim: Callable[[int], int] | None = None
        self._given = 0.0
        self._turn = Lock()
        try:
            library = ctypes.CDLL(None)
            library.mallopt(_ARENA_MAX, 1)
            self._trim = library.malloc_trim
        except (OSError, AttributeError):
            return  # another C library

    def give_back(self) -> None:
        """Returns what is free, unless that was done a moment ago. May be called in any thread."""
        now = time.monotonic()
        if self._trim is None or now - self._given < _EVERY or not self._turn.acquire(blocking=False):
            return
        try:
            self._given = now
            self._trim(0)
        finally:
            self._turn.release()


HEAP = Heap()
