# SPDX-License-Identifier: Apache-2.0
"""What a container's process is given: variables, references, arguments, rewritten mount paths, back-off."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from castwarden_local.controllers.objects import Object
from castwarden_local.runner.backoff import CrashBackoff
from castwarden_local.runner.environment import (
    ConfigError,
    Mount,
    Place,
    Sources,
    command_line,
    environment,
    expand,
    rewrite,
)

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
PLACE = Place("127.9.1.1", "local")
POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"role": "monitor"}},
    "spec": {"serviceAccountName": "worker"},
}
SOURCES = Sources({"keys": {"a": "1", "b": "2"}}, {"config": {"c": "3"}})
MOUNTS = [Mount("/downloads", Path("/real/d")), Mount("/downloads/cache", Path("/real/c"))]


def env(*entries: Object, **container: Any) -> dict[str, str]:
    return environment(POD, {"env": list(entries), **container}, PLACE, SOURCES, MOUNTS)


def ref(kind: str, **reference: Any) -> Object:
    return {"name": "X", "valueFrom": {kind: reference}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['role']", "monitor"),
        ("metadata.annotations['none']", ""),
        ("status.podIP", "127.9.1.1"),
        ("spec.nodeName", "local"),
        ("spec.serviceAccountName", "worker"),
    ],
)
def test_a_field_of_the_pod(path: str, expected: str) -> None:
    assert env(ref("fieldRef", fieldPath=path)) == {"X": expected}


def test_a_field_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"status\.nothing"):
        env(ref("fieldRef", fieldPath="status.nothing"))


def test_keys_of_secrets_and_config_maps() -> None:
    assert env(ref("secretKeyRef", name="keys", key="a")) == {"X": "1"}
    assert env(ref("configMapKeyRef", name="config", key="c")) == {"X": "3"}


def test_a_missing_secret_or_key_is_an_error_unless_it_is_optional() -> None:
    with pytest.raises(ConfigError, match='secret "none" not found'):
        env(ref("secretKeyRef", name="none", key="a"))
    with pytest.raises(ConfigError, match="couldn't find key z in secret keys"):
        env(ref("secretKeyRef", name="keys", key="z"))
    assert env(ref("secretKeyRef", name="none", key="a", optional=True)) == {}


def test_all_keys_of_a_secret_with_a_prefix_and_a_variable_over_them() -> None:
    source = {"prefix": "K_", "secretRef": {"name": "keys"}}
    assert env({"name": "K_b", "value": "mine"}, envFrom=[source]) == {"K_a": "1", "K_b": "mine"}


def test_references_to_earlier_variables_are_expanded() -> None:
    values = env({"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)-$$(A)"}, {"name": "C", "value": "3"})
    assert values["B"] == "1-$(C)-$(A)"
    assert expand("$(A)", {"A": "x"}) == "x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/downloads", "/real/d"),
        ("/downloads/a.mp4", "/real/d/a.mp4"),
        ("/downloads/cache/x", "/real/c/x"),
        ("/downloadsx", "/downloadsx"),
        ("see /downloads", "see /downloads"),
    ],
)
def test_a_mount_path_becomes_the_real_directory(text: str, expected: str) -> None:
    assert rewrite(text, MOUNTS) == expected
    assert env({"name": "X", "value": text}) == {"X": expected}


def test_command_and_arguments_are_expanded_and_rewritten() -> None:
    container = {"command": ["run", "$(A)"], "args": ["/downloads/x"]}
    assert command_line(container, {"A": "1"}, MOUNTS) == ["run", "1", "/real/d/x"]


def test_a_container_without_a_command_is_refused_because_images_are_not_used() -> None:
    with pytest.raises(ConfigError, match="no command specified"):
        command_line({"image": "nginx"}, {}, [])


def test_the_first_restart_is_immediate_and_the_next_ones_wait_ever_longer() -> None:
    backoff, moment, waits = CrashBackoff(), NOW, []
    for _ in range(8):
        wait = backoff.wait(moment, moment)
        waits.append(wait.total_seconds())
        moment += wait
        backoff.restarting(moment)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_time_that_has_passed_since_the_end_counts_towards_the_wait() -> None:
    backoff = CrashBackoff()
    backoff.restarting(NOW)
    assert backoff.wait(NOW, NOW + timedelta(seconds=7)) == timedelta(seconds=3)


def test_ten_minutes_without_a_crash_are_forgiven() -> None:
    backoff = CrashBackoff()
    backoff.restarting(NOW)
    backoff.restarting(NOW)
    later = NOW + timedelta(minutes=10, seconds=1)
    assert backoff.wait(later, later) == timedelta(0)
    backoff.restarting(later)
    assert backoff.wait(later, later) == timedelta(seconds=10)
