# SPDX-License-Identifier: Apache-2.0
"""A stream whose decoding did not return, so that its process had to end, is not decoded for an hour by the next one.

Else one stream could end the process of fifty again and again. Kept as a file, for nobody else would remember it.
"""

import time
from collections.abc import Callable
from pathlib import Path

from castwarden_base.logs import get_logger

log = get_logger(__name__)
_SECONDS = 3600.0


class Rest:
    """The rest that an earlier process left behind in `path`, if it is not over."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        try:
            self._until = path.stat().st_mtime + _SECONDS
        except OSError:
            self._until = 0.0

    def is_over(self) -> bool:
        return self._clock() >= self._until

    def begin(self) -> None:
        """Leaves a rest behind for the next process."""
        try:
            self._path.touch()
        except OSError as error:
            log.warning("rest_not_kept", error=str(error))
