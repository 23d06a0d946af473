# SPDX-License-Identifier: Apache-2.0
"""What the definitions promise is kept by the server: defaults, pruning, and refusals in Kubernetes' own shape."""

from typing import Any

import pytest

from tests.plugins.kube import Kube
from tests.plugins.objects import DOWNLOAD_JOBS, MONITORS, STREAM, Object, channel, download_job, make, monitor
from tests.plugins.refusals import UNCHECKED, about, causes, invalid, refusal

# what is sent; the fields and reasons of the causes, in the server's order
FORBIDDEN: dict[str, tuple[Object, list[tuple[str, str]]]] = {
    "a number where a word belongs": (
        monitor("a", resolver="Direct", lookInterval=30),
        [("spec.lookInterval", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "a word where a switch belongs": (
        monitor("a", suspend="yes"),
        [("spec.suspend", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "a fraction where a count belongs": (
        monitor("a", checks={"stall": {"clearAfterSegments": 1.5}}),
        [("spec.checks.stall.clearAfterSegments", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "a number in free text": (
        monitor("a", metadata={"show": 1}),
        [("spec.metadata.show", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "a list where an object belongs": (
        make(MONITORS, "a", spec=[]),
        [("spec", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "a word outside the choice": (
        monitor("a", depth="Deep"),
        [("spec.depth", "FieldValueNotSupported"), UNCHECKED],
    ),
    "a number above its bound": (
        monitor("a", checks={"black": {"luma": 7}}),
        [("spec.checks.black.luma", "FieldValueInvalid")],
    ),
    "a number at its excluded bound": (
        monitor("a", checks={"segmentErrors": {"ratio": 0}}),
        [("spec.checks.segmentErrors.ratio", "FieldValueInvalid")],
    ),
    "a number below its bound": (
        download_job("a", backoffLimit=-1),
        [("spec.backoffLimit", "FieldValueInvalid")],
    ),
    "a text that breaks its pattern": (
        monitor("a", source={"url": "ftp://x"}),
        [("spec.source.url", "FieldValueInvalid")],
    ),
    "a text that is too long": (
        monitor("a", source={"url": "http://x/" + "y" * 2048}),
        [("spec.source.url", "FieldValueTooLong"), UNCHECKED],
    ),
    "a time that is none": (
        monitor("a", schedule={"start": "tomorrow"}),
        [("spec.schedule.start", "FieldValueTypeInvalid"), UNCHECKED],
    ),
    "too many entries in a map": (
        monitor("a", metadata={str(number): "" for number in range(33)}),
        [("spec.metadata", "FieldValueTooMany"), UNCHECKED],
    ),
    "too many entries in a list": (
        monitor("a", template={"env": [{"name": "x"}] * 65}),
        [("spec.template.env", "FieldValueTooMany"), UNCHECKED],
    ),
    "no spec": (
        make(MONITORS, "a"),
        [("spec", "FieldValueRequired"), UNCHECKED],
    ),
    "no source": (
        make(MONITORS, "a", spec={}),
        [("spec.source", "FieldValueRequired"), UNCHECKED],
    ),
    "null where a value is required": (
        monitor("a", source=None),
        [("spec.source", "FieldValueRequired"), UNCHECKED],
    ),
    "a required field missing in a list's entry": (
        monitor("a", template={"env": [{"name": "x"}, {}]}),
        [("spec.template.env[1].name", "FieldValueRequired"), UNCHECKED],
    ),
    "no source chosen": (
        monitor("a", source={}),
        [("spec.source", "FieldValueInvalid")],
    ),
    "two sources chosen": (
        monitor("a", source={"url": STREAM, "youtubeVideoId": "abcdefghijk"}),
        [("spec.source", "FieldValueInvalid")],
    ),
    "a pattern and a rule broken at once": (
        channel("a", source={"feedUrl": "https://a", "youtubeChannelId": "UC"}),
        [("spec.source.youtubeChannelId", "FieldValueInvalid"), ("spec.source", "FieldValueInvalid")],
    ),
    "a template for a Pod that is shared": (
        monitor("a", placement="Packed", template={"labels": {"team": "news"}}),
        [("spec", "FieldValueInvalid")],
    ),
    "a pool that is no label": (
        monitor("a", placement="Packed", pool="Main_Pool"),
        [("spec.pool", "FieldValueInvalid")],
    ),
    "a path that leaves its folder": (
        download_job("a", storage={"subPath": "a/../b"}),
        [("spec.storage.subPath", "FieldValueInvalid")],
    ),
    "a name too long for a label": (
        monitor("a" * 64),
        [("<nil>", "FieldValueInvalid")],
    ),
    "a name that is no DNS name": (
        monitor("A_b"),
        [("metadata.name", "FieldValueInvalid")],
    ),
    "a label that is none": (
        monitor("a", labels={"a": "b c"}),
        [("metadata.labels", "FieldValueInvalid")],
    ),
}


@pytest.mark.parametrize(("body", "expected"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
async def test_what_a_definition_forbids_is_refused_naming_the_field(
    kube: Kube, body: Object, expected: list[tuple[str, str]]
) -> None:
    status = await refusal(kube.create(body))
    assert about(status) == invalid(body["kind"], body["metadata"]["name"])
    assert causes(status) == expected


# what is sent; what the message says after `Monitor.castwarden.dev "a" is invalid: `
UNSEEN = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)
MESSAGES: dict[str, tuple[Object, str]] = {
    "pattern": (
        monitor("a", source={"youtubeVideoId": "elevenchar!"}),
        (
            'spec.source.youtubeVideoId: Invalid value: "elevenchar!": '
            "spec.source.youtubeVideoId in body should match '^[A-Za-z0-9_-]{11}$'"
        ),
    ),
    "url": (
        monitor("a", source={"url": "ftp://x"}),
        'spec.source.url: Invalid value: "ftp://x": must be an http, https, rtmp, rtmps, rtsp, rtsps or srt URL',
    ),
    "duration": (
        monitor("a", checks={"black": {"raiseAfter": "5 minutes"}}),
        'spec.checks.black.raiseAfter: Invalid value: "5 minutes": must be a duration such as 30s, 1m30s or 500ms',
    ),
    "rule": (
        monitor("a", source={}),
        "spec.source: Invalid value: exactly one of url, youtubeVideoId must be set",
    ),
    "bound": (
        monitor("a", checks={"black": {"luma": 7}}),
        "spec.checks.black.luma: Invalid value: 7: spec.checks.black.luma in body should be less than or equal to 1",
    ),
    "choice": (
        monitor("a", depth="Deep"),
        f'[spec.depth: Unsupported value: "Deep": supported values: "Adaptive", "Keyframes", "Full", {UNSEEN}]',
    ),
    "type": (
        monitor("a", suspend="yes"),
        f'[spec.suspend: Invalid value: "string": spec.suspend in body must be of type boolean: "string", {UNSEEN}]',
    ),
}


@pytest.mark.parametrize(("body", "message"), MESSAGES.values(), ids=MESSAGES.keys())
async def test_a_refusal_says_in_kubernetes_words_what_is_wrong(kube: Kube, body: Object, message: str) -> None:
    status = await refusal(kube.create(body))
    assert status["message"] == f'Monitor.castwarden.dev "a" is invalid: {message}'


async def test_what_is_left_out_gets_its_default(kube: Kube) -> None:
    spec = (
        await kube.create(monitor("a", checks={"black": {"luma": 0.2}}, schedule={"start": "2030-01-01T00:00:00Z"}))
    )["spec"]
    assert (spec["suspend"], spec["depth"], spec["lookInterval"]) == (False, "Adaptive", "30s")
    assert spec["checks"]["black"] == {
        "enabled": True,
        "raiseAfter": "30s",
        "clearAfter": "5s",
        "luma": 0.2,
        "area": 0.98,
    }
    assert spec["checks"]["stall"] == {"enabled": True, "clearAfterSegments": 2}
    assert spec["schedule"]["tolerance"] == "5m"
    assert "webhookUrl" not in spec


async def test_a_null_counts_as_left_out_where_there_is_a_default(kube: Kube) -> None:
    spec = (await kube.create(monitor("a", depth=None, checks=None)))["spec"]
    assert spec["depth"] == "Adaptive"
    assert spec["checks"]["black"]["enabled"] is True


async def test_an_unknown_field_is_dropped(kube: Kube) -> None:
    made = await kube.create(monitor("a", colour="red", source={"url": STREAM, "hue": 1}) | {"extra": 1})
    assert made["spec"]["source"] == {"url": STREAM}
    assert "colour" not in made["spec"]
    assert "extra" not in made


async def test_fields_declared_as_free_keep_what_they_are_given(kube: Kube) -> None:
    affinity = {"nodeAffinity": {"anything": [1, {"a": None}]}}
    made = await kube.create(monitor("a", template={"affinity": affinity}))
    assert made["spec"]["template"]["affinity"] == affinity


async def test_an_unknown_field_is_refused_when_strictness_is_asked_for(kube: Kube) -> None:
    body = monitor("a", colour="red", source={"url": STREAM, "hue": 1}) | {"extra": 1}
    status = await refusal(kube.create(body, fieldValidation="Strict"))
    assert status == {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "reason": "BadRequest",
        "code": 400,
        "message": 'Monitor in version "v1alpha1" cannot be handled as a Monitor: strict decoding error: '
        'unknown field "extra", unknown field "spec.colour", unknown field "spec.source.hue"',
    }


@pytest.mark.parametrize(
    ("body", "patch", "field", "message"),
    [
        pytest.param(
            *(monitor("a"), {"source": {"url": "https://other.example.org/a"}}, "spec.source"),
            "source cannot change; create another Monitor",
            id="source",
        ),
        pytest.param(
            *(download_job("a"), {"container": "mp4"}, "spec.container"),
            '"mp4": container cannot change; create another DownloadJob',
            id="container",
        ),
    ],
)
async def test_what_identifies_a_resource_cannot_change(
    kube: Kube, body: Object, patch: Any, field: str, message: str
) -> None:
    made = await kube.create(body)
    resource = MONITORS if made["kind"] == "Monitor" else DOWNLOAD_JOBS
    status = await refusal(kube.patch(resource, "a", {"spec": patch}))
    assert about(status) == invalid(made["kind"], "a")
    assert status["details"]["causes"] == [
        {"field": field, "reason": "FieldValueInvalid", "message": f"Invalid value: {message}"}
    ]
    assert (await kube.get(resource, "a"))["spec"] == made["spec"]


async def test_a_patch_is_held_to_the_schema_like_a_create(kube: Kube) -> None:
    await kube.create(monitor("a"))
    status = await refusal(kube.patch(MONITORS, "a", {"spec": {"depth": "Deep"}}))
    assert causes(status) == [("spec.depth", "FieldValueNotSupported"), UNCHECKED]


async def test_the_status_is_held_to_the_schema(kube: Kube) -> None:
    await kube.create(monitor("a"))
    patch = {"status": {"stream": {"state": "Loud"}}}
    status = await refusal(kube.patch(MONITORS, "a", patch, subresource="status"))
    assert causes(status) == [("status.stream.state", "FieldValueNotSupported"), UNCHECKED]


async def test_a_condition_type_may_occur_once(kube: Kube) -> None:
    await kube.create(monitor("a"))
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2030-01-01T00:00:00Z"}
    patch = {"status": {"conditions": [condition, condition]}}
    status = await refusal(kube.patch(MONITORS, "a", patch, subresource="status"))
    assert causes(status) == [("status.conditions[1]", "FieldValueDuplicate")]
