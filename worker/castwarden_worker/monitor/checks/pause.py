# SPDX-License-Identifier: Apache-2.0
"""How long there has been no sound at all: after a while that is the silence check's matter, and no other's."""

from ..episode import Moment
from ..seen import Sound

_LONGEST = 10.0  # seconds of silence that are a pause


class Pause:
    """Follows stretches of silence."""

    def __init__(self) -> None:
        self._since: Moment | None = None

    def too_long(self, sound: Sound, *, silent: bool) -> Moment | None:
        """Takes the next sound. Gives where the silence began, once it has lasted too long to be a pause."""
        if not silent:
            self._since = None
            return None
        self._since = self._since or sound.at
        return self._since if sound.at.media + sound.seconds - self._since.media >= _LONGEST else None
