# SPDX-License-Identifier: Apache-2.0
"""A decoded picture as a small JPEG for people. Called in a thread; costs a few milliseconds and no decoding."""

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from castwarden_model.messages import LARGEST_THUMBNAIL, WIDEST_THUMBNAIL

from .seen import Picture, Plane

_QUALITIES = (3, 8, 16, 31)  # FFmpeg's scale, best first: the first that fits is taken
_LUMA, _CHROMA = (16, 219), (128, 224)  # where the nominal range begins, or has its middle, and how far it goes


def thumbnail(picture: Picture) -> bytes | None:
    """The picture as a JPEG that the gateway takes; None when it has no size or FFmpeg refuses.

    It is grey where the picture has no chroma.
    """
    step = max(1, -(-max(picture.luma.shape) // WIDEST_THUMBNAIL))
    luma = picture.luma[::step, ::step]
    height, width = luma.shape[0] // 2 * 2, luma.shape[1] // 2 * 2
    if not height or not width:
        return None
    frame = VideoFrame(width, height, "yuvj420p")
    _fill(frame, 0, _full(luma[:height, :width], *_LUMA, picture.full_range))
    for index, plane in ((1, picture.u), (2, picture.v)):
        chroma = np.full((1, 1), 128, np.uint8) if plane is None or not plane.size else plane
        _fill(frame, index, _full(_fitted(chroma, height // 2, width // 2), *_CHROMA, picture.full_range))
    try:
        return next((jpeg for quality in _QUALITIES if len(jpeg := _encode(frame, quality)) <= LARGEST_THUMBNAIL), None)
    except (av.FFmpegError, ValueError):
        return None


def _encode(frame: VideoFrame, quality: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - what FFmpeg calls mjpeg
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    return b"".join(bytes(packet) for part in (frame, None) for packet in encoder.encode(part))


def _fill(frame: VideoFrame, index: int, values: Plane) -> None:
    """Copies values into a plane, whose lines may be longer."""
    plane = frame.planes[index]
    lines = np.zeros((plane.height, plane.line_size), np.uint8)
    lines[:, : plane.width] = values
    plane.update(lines.tobytes())


def _fitted(plane: Plane, height: int, width: int) -> Plane:
    """The plane in another size, nearest samples."""
    rows = np.arange(height) * plane.shape[0] // height
    columns = np.arange(width) * plane.shape[1] // width
    fitted: Plane = plane[rows][:, columns]
    return fitted


def _full(plane: Plane, zero: int, reach: int, full_range: bool) -> Plane:
    """From the nominal range, as television has it, to the full one of JPEG."""
    if full_range:
        return plane
    target = 128 if zero == 128 else 0
    widened = (plane.astype(np.float32) - zero) * (255 / reach) + target
    full: Plane = np.clip(np.rint(widened), 0, 255).astype(np.uint8)
    return full
