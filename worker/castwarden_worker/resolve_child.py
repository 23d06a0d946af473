# SPDX-License-Identifier: Apache-2.0
"""Child process of `resolve.py`: asks yt-dlp or streamlink about one page and answers with one outcome."""

import logging
from collections.abc import Callable
from typing import Any

from .children import Json, serve
from .outcomes import Live, NotLive, Outcome, Unsupported, expiry, of_error, of_info, to_json
from .site_errors import classify
from .ytdlp import common_options

_MOST_HOPS = 3


def by_ytdlp(url: str, proxy: str) -> Outcome:
    """One extraction, no format chosen. A page that only leads to another one is followed."""
    import yt_dlp

    options = common_options(proxy) | {"skip_download": True, "ignore_no_formats_error": True}
    try:
        with yt_dlp.YoutubeDL(options) as ydl:
            info: dict[str, Any] = {"_type": "url", "url": url}
            for _ in range(_MOST_HOPS):
                if info.get("_type") not in ("url", "url_transparent"):
                    break
                info = ydl.extract_info(info["url"], download=False, process=False) or {}
            return of_info(info)
    except yt_dlp.utils.YoutubeDLError as error:
        return of_error(classify(str(error)), str(error))


def by_streamlink(url: str, proxy: str) -> Outcome:
    """streamlink's best HLS stream. An empty answer has no reason attached, so it is weak evidence."""
    from streamlink.exceptions import NoPluginError, StreamlinkError
    from streamlink.session.session import Streamlink

    session = Streamlink()
    session.http.trust_env = False
    session.http.headers["Accept-Encoding"] = "identity"
    session.set_option("http-proxy", proxy)
    session.set_option("http-timeout", 15)
    try:
        streams = session.streams(url)
    except NoPluginError:
        return Unsupported("unsupported_source", "No resolver knows this page.")
    except (StreamlinkError, OSError) as error:
        return of_error(classify(str(error)), str(error))
    best = streams.get("best")
    if best is None:
        return NotLive("no_streams")
    found = getattr(getattr(best, "multivariant", None), "uri", None) or getattr(best, "url", None)
    if not found or not best.shortname().startswith("hls"):
        return Unsupported("unsupported_source", f"The stream is served as {best.shortname()}, not as HLS.")
    return Live(str(found), None, expiry(str(found)))


_WAYS: dict[str, Callable[[str, str], Outcome]] = {"YtDlp": by_ytdlp, "Streamlink": by_streamlink}


def work(request: Json, send: Callable[[Json], None]) -> None:
    """Answers `{"way", "url", "proxy"}`."""
    logging.getLogger("streamlink").setLevel(max(logging.ERROR, logging.getLogger().level))
    send(to_json(_WAYS[request["way"]](request["url"], request["proxy"])))


if __name__ == "__main__":
    serve("worker-resolve", work)
