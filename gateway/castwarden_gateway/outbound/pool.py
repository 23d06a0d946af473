# SPDX-License-Identifier: Apache-2.0
"""Connections that wait for the next request to the same origin. Never waits, never connects."""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable

from castwarden_gateway.outbound.connection import Connection
from castwarden_gateway.outbound.targets import Origin

Key = tuple[Origin, ssl.SSLContext | None]


class Pool:
    """The newest goes out first, so that what is not needed gets old and is closed."""

    def __init__(self, most: int, idle_seconds: float, clock: Callable[[], float] | None = None) -> None:
        self._most = most
        self._idle_seconds = idle_seconds
        self._clock = clock or asyncio.get_running_loop().time
        self._idle: dict[Key, deque[Connection]] = {}
        self.count = 0

    def take(self, key: Key) -> Connection | None:
        """One that is still open as far as we know."""
        waiting = self._idle.get(key)
        while waiting:
            connection = waiting.pop()
            self.count -= 1
            if not waiting:
                del self._idle[key]
            if connection.usable and self._clock() - connection.idle_since < self._idle_seconds:
                return connection
            connection.close()
        return None

    def give_back(self, key: Key, connection: Connection) -> None:
        if not connection.usable:
            return
        if self.count >= self._most:
            self.sweep()
        if self.count >= self._most:
            connection.close()
            return
        connection.idle_since = self._clock()
        self._idle.setdefault(key, deque()).append(connection)
        self.count += 1

    def sweep(self) -> None:
        """Closes what has waited for too long or was closed by the other side."""
        before = self._clock() - self._idle_seconds
        for key, waiting in list(self._idle.items()):
            kept = deque(one for one in waiting if one.usable and one.idle_since > before)
            for connection in waiting:
                if connection not in kept:
                    connection.close()
            self.count -= len(waiting) - len(kept)
            if kept:
                self._idle[key] = kept
            else:
                del self._idle[key]

    def close(self) -> None:
        for waiting in self._idle.values():
            for connection in waiting:
                connection.close()
        self._idle.clear()
        self.count = 0
