# SPDX-License-Identifier: Apache-2.0
"""One channel is silent while another is not: left or right, whatever there is besides.

A channel that never had sound is silent too. Where all are silent nothing can be told: that is the silence check's
matter, and a pause neither begins nor ends an episode.
"""

from collections.abc import Mapping

from castwarden_model.resources.checks import Checks

from ..episode import Change, Moment
from ..seen import Sound
from .base import LULL, SoundCheck
from .pause import Pause

_MARGIN = 6.0  # dB; room tone around the level is not silent on one side


class OneChannelSilent(SoundCheck):
    condition = "one_channel_silent"

    def __init__(self) -> None:
        super().__init__()
        self.level_db = -50.0
        self._since: dict[int, Moment] = {}  # per silent channel: where another was first heard alone
        self._pause = Pause()
        self._levels: tuple[float, ...] = ()

    def configure(self, spec: Checks) -> None:
        given = spec.one_channel_silent
        self._limits(given.enabled, given.raise_after, given.clear_after)
        self.episode.lull = LULL * self.episode.clear_after
        self.level_db = given.level_db

    def judge(self, sound: Sound) -> bool:
        if self._nothing(sound):
            return bool(self.episode.bad)
        return bool(self._silent(sound))

    def observe(self, sound: Sound) -> Change | None:
        nothing = self._nothing(sound)
        since = self._pause.too_long(sound, silent=nothing)
        if nothing:
            return self._forget(sound, since) if since and not self.alert else None
        self._levels = sound.channels_db[:2]
        silent = self._silent(sound)
        oldest = min(self._since.values(), key=lambda at: at.media, default=None)
        self._since = {channel: self._since.get(channel, sound.at) for channel in silent}
        if not self._since:
            return self.episode.observe(sound.at, bad=False)
        since = min(self._since.values(), key=lambda at: at.media)
        if since != oldest and not self.alert:
            self.episode.observe(sound.at, bad=False)  # the other channel fell silent instead: that is a new run
        return self.episode.observe(sound.at, bad=True, since=since)

    def _forget(self, sound: Sound, since: Moment) -> Change | None:
        self._since.clear()
        return self.episode.observe(sound.at, bad=False, since=since)

    def _nothing(self, sound: Sound) -> bool:
        """Whether it tells nothing: one channel, or none with sound."""
        return len(sound.channels_db) < 2 or max(sound.channels_db[:2]) <= self.level_db

    def _silent(self, sound: Sound) -> list[int]:
        """Left and right alone: silent surround, or a film whose speech is all in the centre, is no fault."""
        levels = sound.channels_db[:2]
        limit = min(self.level_db, max(levels) - _MARGIN)
        return [channel for channel, level in enumerate(levels) if level <= limit]

    def measured(self) -> Mapping[str, float | str]:
        if not self._levels:
            return {}
        quietest = min(range(len(self._levels)), key=lambda channel: self._levels[channel])
        lowest, loudest = self._levels[quietest], max(self._levels)
        return {"channel": quietest, "level_db": round(lowest, 1), "loudest_db": round(loudest, 1)}
