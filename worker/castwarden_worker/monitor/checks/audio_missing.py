# SPDX-License-Identifier: Apache-2.0
"""No audio track, although there was one, or the multivariant playlist announces one."""

from castwarden_model.resources.checks import Checks

from .track_missing import TrackMissing


class AudioMissing(TrackMissing):
    condition = "audio_missing"
    track = "audio"

    def configure(self, spec: Checks) -> None:
        self._take(spec.audio_missing)
