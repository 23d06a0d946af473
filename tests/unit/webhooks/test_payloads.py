# SPDX-License-Identifier: Apache-2.0
"""The bodies that receivers get."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from castwarden_gateway.webhooks.payloads import CONTENT_TYPES, Payload, StoredEvent, body
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


def test_a_cloudevent_is_one_in_structured_mode_with_all_that_version_1_0_asks_for() -> None:
    found = json.loads(body("cloudevents", EVENT))
    assert found == {
        "specversion": "1.0",
        "id": "0193483a-6f2e-7c5e-9d3b-0a1b2c3d4e5f",
        "source": "/castwarden/acme/Channel/uid-1",
        "type": "dev.castwarden.video.created",
        "subject": "news",
        "time": "2026-11-20T12:00:00.250000Z",
        "datacontenttype": "application/json",
        "data": EVENT.data,
        "castwardenmetadata": '{"team":"a"}',
    }
    assert all(name.isalnum() and name.islower() for name in found)  # CloudEvents 1.0, naming of attributes
    assert CONTENT_TYPES["cloudevents"] == "application/cloudevents+json"


def test_the_source_of_a_cloudevent_is_a_uri_reference_and_no_attribute_is_empty() -> None:
    odd = replace(EVENT, namespace="", name="", uid="a b/ü", metadata={})
    found = json.loads(body("cloudevents", odd))
    assert found["source"] == "/castwarden/-/Channel/a%20b%2F%C3%BC"
    assert "subject" not in found
    assert "castwardenmetadata" not in found


@pytest.mark.parametrize("payload", ["castwarden", "cloudevents", "stream-tracker", "yt-tracker"])
def test_the_same_event_gives_the_same_bytes(payload: Payload) -> None:
    assert body(payload, EVENT) == body(payload, EVENT)
