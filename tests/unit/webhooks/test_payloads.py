# SPDX-License-Identifier: Apache-2.0
"""The bodies that receivers get."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from castwarden_gateway.webhooks.payloads import Payload, StoredEvent, body
from castwarden_model.events import Event

EVENT = StoredEvent(
    id=UUID("0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f"),
    type="video.created",
    kind="Channel",
    namespace="acme",
    name="news",
    uid="uid-1",
    occurred_at=datetime(2026, 11, 20, 12, 0, 0, 250000, tzinfo=UTC),
    data={"video_id": "1", "youtube_id": "dQw4w9WgXcQ", "title": "Füße", "published_at": None, "url": "u"},
    metadata={"team": "a"},
    source_url="https://live.example/a",
)


def test_the_castwarden_envelope_is_the_models_event() -> None:
    event = Event.model_validate_json(body("castwarden", EVENT))
    assert event.id == EVENT.id
    assert event.timestamp == EVENT.occurred_at
    assert event.subject.name == "news"
    assert event.data == EVENT.data
    assert event.metadata == {"team": "a"}


def test_the_stream_trackers_envelope_has_its_six_fields() -> None:
    assert json.loads(body("stream-tracker", EVENT)) == {
        "event_type": "video.created",
        "monitor_id": "news",
        "stream_url": "https://live.example/a",
        "timestamp": "2026-11-20T12:00:00.250000Z",
        "data": EVENT.data,
        "metadata": {"team": "a"},
    }


def test_the_stream_trackers_envelope_leaves_empty_metadata_out() -> None:
    assert "metadata" not in json.loads(body("stream-tracker", replace(EVENT, metadata={})))


def test_yt_trackers_body_is_flat_and_holds_exactly_its_four_fields() -> None:
    assert json.loads(body("yt-tracker", EVENT)) == {
        "video_id": "1",
        "youtube_id": "dQw4w9WgXcQ",
        "title": "Füße",
        "published_at": None,
    }


@pytest.mark.parametrize("payload", ["castwarden", "stream-tracker", "yt-tracker"])
def test_the_same_event_gives_the_same_bytes(payload: Payload) -> None:
    assert body(payload, EVENT) == body(payload, EVENT)
