# SPDX-License-Identifier: Apache-2.0
"""The catalogue is whole: schemas, examples, and the seeds' names and fields."""

import jsonschema
import pytest
from castwarden_model.conditions import ALERTS
from castwarden_model.events import CATALOGUE, check_data, schemas


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_example_fits_its_schema(name: str) -> None:
    jsonschema.validate(CATALOGUE[name].example, schemas()[name])
    assert check_data(name, CATALOGUE[name].example) == CATALOGUE[name].example


@pytest.mark.parametrize("condition", ALERTS)
def test_every_condition_has_an_event_for_each_side(condition: str) -> None:
    assert ALERTS[condition].raised in CATALOGUE
    assert ALERTS[condition].cleared in CATALOGUE


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("stream.started", {"title"}),
        ("stream.ended", {"reason"}),
        ("stream.delayed", {"scheduled_start_time", "delay_sec", "tolerance_sec"}),
        ("stream.suspended", set()),
        ("stream.resumed", set()),
        ("alert.blackout", {"duration_sec", "started_at", "threshold_sec", "segment_info"}),
        ("alert.silence", {"duration_sec", "started_at", "threshold_sec", "segment_info"}),
        ("alert.blackout_recovered", {"total_duration_sec", "started_at", "recovered_at"}),
        ("alert.silence_recovered", {"total_duration_sec", "started_at", "recovered_at"}),
        ("video.created", {"video_id", "youtube_id", "title", "published_at"}),
        ("video.updated", {"video_id", "youtube_id", "title", "published_at"}),
    ],
)
def test_the_seeds_events_keep_their_fields(name: str, fields: set[str]) -> None:
    assert fields <= set(CATALOGUE[name].model.model_fields)


def test_data_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="title"):
        check_data("stream.started", {})
