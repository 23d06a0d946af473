# SPDX-License-Identifier: Apache-2.0
"""The cells of `kubectl get`: JSONPath, types, ages, and the computed ones of Pods, Jobs and Events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from castwarden_local.standin.builtin.table import built_in_resources
from castwarden_local.standin.http.jsonpath import find
from castwarden_local.standin.http.tables import cells, human_duration, table
from castwarden_local.standin.interface import CRON_JOBS, EVENTS, GVR, JOBS, PODS
from castwarden_local.standin.resources import Column, Resource

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OBJECT = {
    "spec": {"size": 3, "tags": ["a", "b"], "m": {"a.b": "dotted"}, "nested": [{"v": 1}, {"v": 2}]},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("spec.size", [3]),
        ("{.spec.size}", [3]),
        ("$.spec.size", [3]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?( @.type != "Ready" )].type', ["Other"]),
        (".spec.nested[?(@.v>1)].v", [2]),
        (".spec.nested[?(@.none)].v", []),
        (".spec.tags[*]", ["a", "b"]),
        (".spec.tags[0]", ["a"]),
        (".spec.tags[-1]", ["b"]),
        (".spec.tags[7]", []),
        (r".spec.m.a\.b", ["dotted"]),
        ("['spec'].size", [3]),
        (".spec.none.deeper", []),
        (".spec[", []),
        (".", [OBJECT]),
    ],
)
def test_json_paths_find_what_printer_columns_mean(path: str, found: list[Any]) -> None:
    assert find(path, OBJECT) == found


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (-5, "<invalid>"),
        (0.5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (500, "8m20s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 300, "3h5m"),
        (9 * 3600, "9h"),
        (47 * 3600, "47h"),
        (3 * 86400 + 3600, "3d1h"),
        (9 * 86400, "9d"),
        (3 * 365 * 86400 + 86400, "3y1d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_have_two_units_at_most(age: float, text: str) -> None:
    assert human_duration(age) == text


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", "x", "x"),
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", ["a", "b"], '["a","b"]'),
        ("integer", 3, 3),
        ("integer", "3", None),
        ("number", 1.5, 1.5),
        ("boolean", False, False),
        ("boolean", "x", None),
        ("date", "2026-01-01T23:59:00Z", "60s"),
        ("date", "soon", "<invalid>"),
        ("string", None, None),
    ],
)
def test_a_cell_has_the_type_of_its_column(kind: str, value: Any, cell: Any) -> None:
    resource = Resource(GVR("g.d", "v1", "xs"), "X", "x", True, columns=(Column("C", kind, ".v"),))
    assert cells(resource, {"v": value}, NOW) == [cell]


def resource_of(gvr: GVR) -> Resource:
    return next(each for each in built_in_resources() if each.gvr == gvr)


def row(gvr: GVR, obj: dict[str, Any]) -> dict[str, Any]:
    resource = resource_of(gvr)
    obj = {"metadata": {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"} | obj.pop("metadata", {})} | obj
    names = [column.name for column in resource.columns]
    return dict(zip(names, cells(resource, obj, NOW), strict=True))


def pod(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    status = {"name": "c", "ready": "running" in state, "restartCount": 2, "state": state}
    return {
        "spec": {"containers": [{"name": "c"}], "nodeName": "n"},
        "status": {"phase": "Running", "containerStatuses": [status]},
    } | more


@pytest.mark.parametrize(
    ("obj", "ready", "status"),
    [
        (pod({"running": {}}), "1/1", "Running"),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), "0/1", "CrashLoopBackOff"),
        (pod({"terminated": {"exitCode": 3}}), "0/1", "ExitCode:3"),
        (pod({"terminated": {"signal": 9}}), "0/1", "Signal:9"),
        (pod({"terminated": {"exitCode": 0, "reason": "Completed"}}), "0/1", "Completed"),
        (pod({"running": {}}, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), "1/1", "Terminating"),
        ({"spec": {"containers": [{}]}, "status": {"phase": "Pending"}}, "0/1", "Pending"),
    ],
)
def test_a_pods_row_tells_how_it_is(obj: dict[str, Any], ready: str, status: str) -> None:
    shown = row(PODS, obj)
    assert (shown["Ready"], shown["Status"], shown["Age"]) == (ready, status, "24h")


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"completions": 1}, {}, ("Running", "0/1", "")),
        ({"completions": 2}, {"succeeded": 1, "startTime": "2026-01-01T23:59:00Z"}, ("Running", "1/2", "60s")),
        (
            {"completions": 1},
            {
                "succeeded": 1,
                "startTime": "2026-01-01T00:00:00Z",
                "completionTime": "2026-01-01T00:00:05Z",
                "conditions": [{"type": "Complete", "status": "True"}],
            },
            ("Complete", "1/1", "5s"),
        ),
        ({"parallelism": 3}, {"conditions": [{"type": "Failed", "status": "True"}]}, ("Failed", "0/1 of 3", "")),
    ],
)
def test_a_jobs_row_tells_how_far_it_is(
    spec: dict[str, Any], status: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    shown = row(JOBS, {"spec": spec, "status": status})
    assert (shown["Status"], shown["Completions"], shown["Duration"]) == expected


def test_a_cron_jobs_row_tells_when_it_ran_last() -> None:
    last = (NOW - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shown = row(CRON_JOBS, {"spec": {"schedule": "@hourly", "suspend": False}, "status": {"lastScheduleTime": last}})
    assert (shown["Schedule"], shown["TimeZone"], shown["Active"], shown["Last Schedule"]) == (
        "@hourly",
        "<none>",
        0,
        "3m",
    )


def test_an_events_row_tells_whom_it_is_about() -> None:
    event = {"involvedObject": {"kind": "Pod", "name": "p"}, "reason": "R", "lastTimestamp": "2026-01-01T23:59:50Z"}
    shown = row(EVENTS, event | {"type": "Normal", "message": "m", "source": {"component": "k", "host": "h"}})
    assert (shown["Last Seen"], shown["Object"], shown["Source"]) == ("10s", "pod/p", "k, h")


def test_a_table_describes_its_columns_and_carries_its_rows() -> None:
    resource = resource_of(PODS)
    obj = pod({"running": {}}, metadata={"name": "p"})
    shown = table(resource, [(obj, None)], {"resourceVersion": "5"})
    assert (shown["kind"], shown["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert shown["columnDefinitions"][0]["format"] == "name"
    assert len(shown["columnDefinitions"]) == len(shown["rows"][0]["cells"])
