# SPDX-License-Identifier: Apache-2.0
"""How yt-dlp is run, whatever for: behind the guarded proxy, silent, its lines in our log. For child processes only."""

from typing import Any

from castwarden_base.logs import get_logger

log = get_logger(__name__)


def common_options(proxy: str) -> dict[str, Any]:
    """Options of every run."""
    return {
        "proxy": proxy,
        "http_headers": {"Accept-Encoding": "identity"},  # what is packed may be a thousand times as large in memory
        "logger": _Logger(),
        "quiet": True,
        "noprogress": True,
        "color": "no_color",
        "noplaylist": True,
        "extract_flat": "in_playlist",
        "socket_timeout": 20,
        "js_runtimes": {"deno": {}, "node": {}},
    }


class _Logger:
    """What yt-dlp calls an error may be one that it goes on from, so nothing is logged above info."""

    def debug(self, message: str) -> None:
        if message.strip():
            log.debug("yt_dlp", message=message)

    info = debug

    def warning(self, message: str) -> None:
        log.info("yt_dlp_warning", message=message)

    def error(self, message: str) -> None:
        if message.strip():
            log.info("yt_dlp_error", message=message)
