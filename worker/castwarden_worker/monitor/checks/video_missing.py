# SPDX-License-Identifier: Apache-2.0
"""No video track, although there was one, or the multivariant playlist announces one. A radio never has one."""

from castwarden_model.resources.checks import Checks

from .track_missing import TrackMissing


class VideoMissing(TrackMissing):
    condition = "video_missing"
    track = "video"

    def configure(self, spec: Checks) -> None:
        self._take(spec.video_missing)
