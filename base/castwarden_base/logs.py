# SPDX-License-Identifier: Apache-2.0
"""JSON logs on stderr, one event per line, for our own loggers and for every library's. Secrets never get out.

Bind what belongs to a request, tenant or resource with `structlog.contextvars.bound_contextvars`.
"""

import logging
import re
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
_SECRET_WORDS = frozenset({"token", "secret", "key", "authorization", "signature", "password"})
_SECRET_TEXT = re.compile(r"(?<=Bearer )[^\s'\",]+|whsec_\S{4,}|yttr_\S{4,}|(?<=://)[^\s/@]+:[^\s/@]*(?=@)")


def configure_logging(service: str, level: str = "info") -> None:
    """Sends structlog's and the standard library's records to stderr as JSON. Call once, first thing in a process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _service(service),
        redact,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_crash
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event name and key-value pairs: `log.info("poll_done", videos=3)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hides values whose key's last word names a secret, and tokens inside any text."""
    return {key: _clean(key, value) for key, value in event.items()}


def _clean(key: str, value: Any) -> Any:
    if value is not None and re.split(r"[_\-. ]", key.lower())[-1] in _SECRET_WORDS:
        return REDACTED
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return {str(k): _clean(str(k), v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", item) for item in value]
    return value


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last line of a process that ends by an exception is a log line like any other."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        get_logger(__name__).critical("crashed", exc_info=(kind, error, trace))


def _service(name: str) -> structlog.typing.Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = name
        return event

    return add
