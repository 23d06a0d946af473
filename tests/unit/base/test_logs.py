# SPDX-License-Identifier: Apache-2.0
"""Logs: one JSON object per line, and no secret in it."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from castwarden_base.logs import REDACTED, configure_logging, get_logger


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, parsed line by line."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    configure_logging("test", "debug")
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    ours.setStream(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logging.captureWarnings(False)
    sys.excepthook = sys.__excepthook__
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_an_event_is_one_json_line_with_its_values_and_the_service(lines: Any) -> None:
    get_logger("part").info("poll_done", videos=3, text="two\nlines")
    (line,) = lines()
    assert line["event"] == "poll_done"
    assert (line["videos"], line["text"], line["level"], line["logger"]) == (3, "two\nlines", "info", "part")
    assert line["service"] == "test"
    assert line["timestamp"].endswith("Z")


def test_a_library_s_record_looks_the_same(lines: Any) -> None:
    logging.getLogger("library").warning("took %d s", 3)
    (line,) = lines()
    assert (line["event"], line["level"], line["service"]) == ("took 3 s", "warning", "test")


@pytest.mark.parametrize(
    "key",
    ["token", "secret", "key", "authorization", "signature", "password", "api_key", "X-API-Key", "webhook_secret"],
)
def test_a_value_under_a_secret_s_name_is_hidden(lines: Any, key: str) -> None:
    get_logger("part").info("called", headers={key: "hunter2"}, **{key: "hunter2"})
    (line,) = lines()
    assert "hunter2" not in json.dumps(line)
    assert line[key] == REDACTED


def test_secrets_inside_texts_are_hidden(lines: Any) -> None:
    texts = ["Authorization: Bearer abc.def", "whsec_c2VjcmV0", "yttr_secretsecret", "https://user:secret@example.com"]
    get_logger("part").info("called", texts=texts)
    rendered = json.dumps(lines())
    assert "abc.def" not in rendered
    assert "c2VjcmV0" not in rendered
    assert "secret@" not in rendered
    assert "secretsecret" not in rendered


def test_what_is_not_a_secret_stays(lines: Any) -> None:
    get_logger("part").info("called", monkey="ape", keys=3, token_count=5)
    (line,) = lines()
    assert (line["monkey"], line["keys"], line["token_count"]) == ("ape", 3, 5)


def test_bound_context_is_on_every_line(lines: Any) -> None:
    with structlog.contextvars.bound_contextvars(tenant="acme"):
        get_logger("part").info("called")
        logging.getLogger("library").info("called too")
    assert [line["tenant"] for line in lines()] == ["acme", "acme"]


def test_an_exception_is_part_of_its_line(lines: Any) -> None:
    get_logger("part").error("failed", exc_info=ValueError("broken"))
    (line,) = lines()
    assert "ValueError: broken" in line["exception"]


def test_the_end_of_a_process_by_an_exception_is_a_log_line_too(lines: Any) -> None:
    sys.excepthook(ValueError, ValueError("broken"), None)
    (line,) = lines()
    assert (line["event"], line["level"]) == ("crashed", "critical")
    assert "ValueError: broken" in line["exception"]
