# SPDX-License-Identifier: Apache-2.0
"""What clients send, and the spec that it means. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from castwarden_model.durations import Duration, format_duration
from castwarden_model.resources import Checks
from castwarden_model.resources.base import Metadata, MetadataValue, Url
from castwarden_model.resources.monitor import Depth, Placement, Pool, StreamUrl
from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

from castwarden_gateway.http.cursors import PageQuery

Status = Literal["initializing", "waiting", "monitoring", "completed", "stopped", "error"]
StreamStatus = Literal["unknown", "scheduled", "live", "ended"]


class SeedConfig(BaseModel):
    """The Stream Tracker's `config`. Zero as a silence level means unset, as it did there."""

    model_config = ConfigDict(extra="forbid")

    check_interval_sec: float | None = Field(default=None, gt=0, le=86_400)
    blackout_threshold_sec: float | None = Field(default=None, ge=0, le=86_400)
    silence_threshold_sec: float | None = Field(default=None, ge=0, le=86_400)
    silence_db_threshold: float | None = Field(default=None, ge=-120, le=0)
    scheduled_start_time: AwareDatetime | None = None
    start_delay_tolerance_sec: float | None = Field(default=None, ge=0, le=86_400 * 7)


class MonitorFields(BaseModel):
    """What may be set at creation and changed later."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    callback_url: Url | None = Field(
        default=None,
        validation_alias=AliasChoices("callback_url", "webhook_url"),
        description="Receives this monitor's events. `webhook_url` is another name for it.",
    )
    config: SeedConfig | None = Field(default=None, description="The Stream Tracker's thresholds.")
    checks: Checks | None = Field(default=None, description="As in the Monitor resource; wins over `config`.")
    depth: Depth | None = Field(default=None, description="How much of picture and sound is decoded.")
    resolver: Literal["Auto", "Direct", "YtDlp", "Streamlink"] | None = Field(
        default=None, description="How the source becomes a playlist."
    )
    look_interval: Duration | None = Field(
        default=None, description="How often to look whether a stream that is not live has begun."
    )
    placement: Placement | None = Field(
        default=None, description="A worker of its own, or a seat in one that watches many streams."
    )
    pool: Pool | None = Field(default=None, description="Which group of shared workers a packed monitor is in.")
    suspend: bool | None = Field(default=None, description="Stop watching, keep the monitor.")


class MonitorCreate(MonitorFields):
    """A new monitor."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stream_url": "https://example.com/live/index.m3u8",
                    "checks": {"black": {"raiseAfter": "10s"}, "silence": {"raiseAfter": "20s", "levelDb": -50}},
                    "metadata": {"desk": "7"},
                }
            ]
        }
    )

    stream_url: StreamUrl = Field(
        description="HLS, MPEG-DASH, Icecast, RTMP, RTSP, SRT, or a page that yt-dlp or streamlink understands."
    )
    metadata: Metadata = Field(default={}, description="Free text that every event of this monitor repeats.")


class MonitorPatch(MonitorFields):
    """Changes to a monitor: what is left out stays; null removes `callback_url` or a key of `metadata`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"checks": {"black": {"raiseAfter": "30s"}}, "metadata": {"desk": None}}]}
    )

    metadata: dict[str, MetadataValue | None] | None = Field(default=None, max_length=32)


class MonitorQuery(PageQuery):
    """Filters of the list."""

    status: Status | None = None
    stream_status: StreamStatus | None = None


def spec_of(body: MonitorFields) -> dict[str, Any]:
    """The part of the spec that the body sets, as the resource spells it."""
    given = body.model_fields_set
    spec: dict[str, Any] = {}
    if isinstance(body, MonitorCreate):
        spec["source"] = {"url": body.stream_url}
    if "callback_url" in given and (body.callback_url or isinstance(body, MonitorPatch)):
        spec["webhookUrl"] = body.callback_url
    if body.config is not None:
        spec = merged(spec, _of_config(body.config))
    if body.checks is not None:
        checks = body.checks.model_dump(mode="json", by_alias=True, exclude_unset=True)
        spec = merged(spec, {"checks": checks})
    for name in ("depth", "resolver", "placement", "pool", "suspend"):
        if (value := getattr(body, name)) is not None:
            spec[name] = value
    if body.look_interval is not None:
        spec["lookInterval"] = format_duration(body.look_interval)
    if "metadata" in given:
        spec["metadata"] = getattr(body, "metadata", {})
    return spec


def _of_config(config: SeedConfig) -> dict[str, Any]:
    spec: dict[str, Any] = {"checks": {}}
    if config.check_interval_sec is not None:
        spec["lookInterval"] = _seconds(config.check_interval_sec)
    if config.blackout_threshold_sec is not None:
        spec["checks"]["black"] = {"raiseAfter": _seconds(config.blackout_threshold_sec)}
    silence: dict[str, Any] = {}
    if config.silence_threshold_sec is not None:
        silence["raiseAfter"] = _seconds(config.silence_threshold_sec)
    if config.silence_db_threshold:
        silence["levelDb"] = config.silence_db_threshold
    if silence:
        spec["checks"]["silence"] = silence
    if config.scheduled_start_time is not None:
        spec["schedule"] = {"start": config.scheduled_start_time.isoformat()}
        if config.start_delay_tolerance_sec is not None:
            spec["schedule"]["tolerance"] = _seconds(config.start_delay_tolerance_sec)
    return spec if spec["checks"] else {key: value for key, value in spec.items() if key != "checks"}


def _seconds(value: float) -> str:
    return format_duration(timedelta(seconds=value))


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both, nested; `over` wins."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


FIELDS = {
    "spec": "",
    "spec.source": "/stream_url",
    "spec.source.url": "/stream_url",
    "spec.webhookUrl": "/callback_url",
    "spec.lookInterval": "/look_interval",
    "spec.schedule.start": "/config/scheduled_start_time",
    "spec.schedule.tolerance": "/config/start_delay_tolerance_sec",
}
"""Paths of the resource → JSON Pointers of the body; the rest is spelt alike."""
