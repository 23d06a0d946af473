# SPDX-License-Identifier: Apache-2.0
"""`castwarden probe URL`: watches one stream without any server and shows its health.

Exit status: 0 the stream ended, or the time was up; 1 the stream could not be watched; 2 wrong usage; 130 interrupted.
Private addresses are reached: the person who runs it chose the URL.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from castwarden_base.http import OutboundError, check_url, outbound_session
from castwarden_base.logs import configure_logging
from castwarden_base.run import run
from castwarden_model.faults import sentence
from castwarden_model.messages import Occurrence, Transition
from castwarden_model.resources.checks import Checks
from castwarden_model.resources.monitor import Depth, MonitorSpec, StreamSource, StreamState
from pydantic import BaseModel, ValidationError

from .monitor.endless.child_tap import SCHEMES, check_stream_url
from .monitor.watch import Outcome, Source, Watch
from .probe_view import JsonLines, PlainLines, Show, live_table

ENDED, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_GONE_FOR = 60.0  # seconds without a playlist after which a stream that was seen is given up
_RETRY = 2.0


class UsageError(Exception):
    """What was asked for makes no sense; the message is for the person."""


class CannotWatch(Exception):
    """There is nothing to watch; the message says why."""


def run_probe(
    url: str,
    *,
    sets: Sequence[str] = (),
    json: bool = False,
    for_seconds: float | None = None,
    depth: Depth = "Adaptive",
) -> int:
    """Runs the probe to its end and returns the exit status. `sets` are texts such as `black.raiseAfter=5s`."""
    os.environ["CASTWARDEN_LOG_LEVEL"] = "critical"  # people read events here, not logs; children inherit it
    configure_logging("castwarden-probe", "critical")
    show: Show = JsonLines() if json else PlainLines()
    try:
        _check_scheme(url)
        spec = MonitorSpec(source=StreamSource(url=url), depth=depth, checks=parse_sets(sets))
        if url.startswith(SCHEMES):
            check_stream_url(url, EVERYWHERE)
        else:
            check_url(url, EVERYWHERE)
        if not json and PlainLines.is_terminal():
            with live_table(url) as show:
                return run(_probe(spec, show, for_seconds))
        return run(_probe(spec, show, for_seconds))
    except (UsageError, ValidationError, OutboundError) as error:
        show.problem(_first_line(error))
        return USAGE
    except CannotWatch as error:
        show.problem(f"{url}: {error}; {_what_to_do(str(error))}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _check_scheme(url: str) -> None:
    if not url.lower().startswith(("http://", "https://", *SCHEMES)):
        raise UsageError(f"{url}: must be an http, https, rtmp, rtmps, rtsp, rtsps or srt URL")


def parse_sets(sets: Sequence[str]) -> Checks:
    """The checks' settings with `check.parameter=value` applied. UsageError names the choices."""
    given: dict[str, dict[str, str]] = {}
    names = _by_alias(Checks)
    for text in sets:
        path, equals, value = text.partition("=")
        check, dot, parameter = path.strip().partition(".")
        if not (equals and dot):
            raise UsageError(f"--set {text}: write it as check.parameter=value, for example black.raiseAfter=5s")
        if check not in names:
            raise UsageError(f"--set {text}: no check {check!r}; choose from {', '.join(names)}")
        model: type[BaseModel] = names[check]
        if parameter not in (parameters := _by_alias(model)):
            raise UsageError(f"--set {text}: {check} has no {parameter!r}; choose from {', '.join(parameters)}")
        given.setdefault(check, {})[parameter] = value.strip()
        try:
            model.model_validate({parameter: value.strip()})
        except ValidationError as error:
            raise UsageError(f"--set {text}: {_first_line(error)}") from None
    return Checks.model_validate(given)


def _by_alias(model: type[BaseModel]) -> dict[str, Any]:
    """The type of each field, by the name that people write."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


async def _probe(spec: MonitorSpec, show: Show, for_seconds: float | None) -> int:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(outbound_session(EVERYWHERE, total=60))

        async def emit(fact: Transition | Occurrence) -> None:
            show.fact(fact)

        watch = Watch(session, spec, emit, whole=True, allow=EVERYWHERE)
        showing = asyncio.create_task(_refresh(watch, show))
        try:
            async with asyncio.timeout(for_seconds):
                source = await _resolve(spec.source.page_url, session, stack)
                await _watch(watch, source)
        except TimeoutError:
            show.remark(f"time is up after {for_seconds:g} s")
        finally:
            showing.cancel()
        show.update(watch.view())
    return ENDED


async def _watch(watch: Watch, source: Source) -> None:
    """Until the stream ends. A playlist that goes away may come back, for a while."""
    loop = asyncio.get_running_loop()
    seen = -1
    gone_since = loop.time()
    while await watch.run(source) is not Outcome.ENDED:
        analysed = watch.statistics.total_segments_analyzed
        if watch.view().state is StreamState.UNKNOWN:
            raise CannotWatch(watch.problem or "there is no playlist")
        if analysed > seen:
            seen, gone_since = analysed, loop.time()
        if loop.time() - gone_since > _GONE_FOR:
            raise CannotWatch(f"the stream went away: {watch.problem}")
        await asyncio.sleep(_RETRY)


async def _refresh(watch: Watch, show: Show) -> None:
    while show.refresh_seconds:
        await asyncio.sleep(show.refresh_seconds)
        show.update(watch.view())


async def _resolve(url: str, session: aiohttp.ClientSession, stack: AsyncExitStack) -> Source:
    """A playlist, a manifest or a stream is watched as it is; any other page is given to the resolvers."""
    if url.startswith(SCHEMES) or urlsplit(url).path.lower().endswith((".m3u8", ".m3u", ".mpd")):
        return Source(url)
    from .outcomes import Live, Unsupported  # yt-dlp's and streamlink's side is loaded only when it is needed
    from .resolve import Resolver

    state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="castwarden-probe-")))
    outcome = await Resolver(session, EVERYWHERE, state).resolve(url)
    if isinstance(outcome, Live):
        return Source(outcome.url, outcome.headers, outcome.title)
    if isinstance(outcome, Unsupported):
        raise CannotWatch(outcome.message)
    raise CannotWatch(_why_not(outcome))


def _why_not(outcome: object) -> str:
    """A look that found no stream, in words."""
    values = [getattr(outcome, name, None) for name in ("hint", "reason", "start")]
    said = next((str(value) for value in values if value), "").rstrip(".")
    kind = {"Blocked": "", "NotLive": "it is not live", "Upcoming": "it is not live yet", "Ended": "it is over"}
    return ": ".join(word for word in (kind.get(type(outcome).__name__, ""), said) if word)


def _what_to_do(problem: str) -> str:
    if problem.startswith(("cannot reach", "no answer", "The source does not answer")):
        return "check the address and the network"
    return "give the address of a live stream (HLS, DASH, Icecast, RTMP, RTSP, SRT), or of a page with one"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {sentence(first)}"
    return str(error).splitlines()[0]
