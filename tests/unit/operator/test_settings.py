# SPDX-License-Identifier: Apache-2.0
"""The operator's settings."""

import pytest
from castwarden_operator.settings import Settings


def test_lists_and_json_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASTWARDEN_WATCH_NAMESPACES", "a, b,")
    monkeypatch.setenv("CASTWARDEN_WORKER_ENV", '{"HTTPS_PROXY": "http://proxy:3128"}')
    monkeypatch.setenv("DOWNLOADS_ENABLED", "true")
    settings = Settings.load()
    assert settings.watch_namespaces == ("a", "b")
    assert settings.worker_env == {"HTTPS_PROXY": "http://proxy:3128"}
    assert settings.downloads_enabled


def test_downloads_are_off_until_somebody_switches_them_on() -> None:
    assert not Settings().downloads_enabled


def test_the_whole_cluster_is_watched_unless_namespaces_are_named() -> None:
    assert Settings().watch_namespaces == ()
