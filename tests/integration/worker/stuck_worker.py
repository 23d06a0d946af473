# SPDX-License-Identifier: Apache-2.0
"""A worker with a decoder whose first call does not return. It is given up after twice `STUCK_SECONDS`."""

import os
from threading import Event
from typing import Any

from castwarden_worker.__main__ import main
from castwarden_worker.decoding import DecodeThreads
from castwarden_worker.monitor.sight.decode import PictureDecoder

_decode = PictureDecoder.alone
_first = iter([True])


def _alone(decoder: PictureDecoder, sample: Any) -> Any:
    if next(_first, False):
        Event().wait()
    return _decode(decoder, sample)


if __name__ == "__main__":
    seconds = float(os.environ.get("STUCK_SECONDS", "1"))
    DecodeThreads.__init__.__defaults__ = (seconds, seconds)
    PictureDecoder.alone = _alone  # type: ignore[method-assign,assignment]
    main()
