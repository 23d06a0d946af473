# SPDX-License-Identifier: Apache-2.0
"""Wrong settings of every process: one line that names the setting, and exit code 2."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from castwarden_base.settings import Settings, variable_of
from castwarden_gateway.settings import DatabaseSettings, GatewaySettings
from castwarden_operator.settings import Settings as OperatorSettings
from castwarden_worker.settings import PackedSettings, WorkerSettings

KEY = "A" * 43 + "="
RIGHT: dict[type[Settings], dict[str, str]] = {
    DatabaseSettings: {"DATABASE_URL": "postgresql://u:p@db/x"},
    GatewaySettings: {"DATABASE_URL": "postgresql://u:p@db/x", "CASTWARDEN_SECRET_KEY": KEY},
    OperatorSettings: {},
    PackedSettings: {"CASTWARDEN_NAMESPACE": "default", "CASTWARDEN_GATEWAY_URL": "http://gateway:8081"},
    WorkerSettings: {
        "CASTWARDEN_NAMESPACE": "default",
        "CASTWARDEN_GATEWAY_URL": "http://gateway:8081",
        "CASTWARDEN_KIND": "Monitor",
        "CASTWARDEN_NAME": "main",
        "CASTWARDEN_UID": "u",
    },
}
MISSING = [(settings, name) for settings, needed in RIGHT.items() for name in needed]
WRONG: list[tuple[type[Settings], str, str]] = [
    (DatabaseSettings, "DATABASE_URL", "hunter2://db"),
    (DatabaseSettings, "DATABASE_URL", "postgresql://u:hunter2@db:port/x"),
    (GatewaySettings, "CASTWARDEN_SECRET_KEY", "hunter2"),
    (GatewaySettings, "CASTWARDEN_SECRET_KEY", f"{KEY},hunter2"),
    (GatewaySettings, "CASTWARDEN_LOG_LEVEL", "hunter2"),
    (GatewaySettings, "CASTWARDEN_OUTBOUND_ALLOW", "10.0.0.0/99"),
    (GatewaySettings, "CASTWARDEN_TRUSTED_PROXIES", "10.0.0.1/8"),
    (GatewaySettings, "CASTWARDEN_EXTRACTIONS_PER_HOUR", "youtube.com"),
    (GatewaySettings, "ALLOW_ORIGINS", "https://a.example/\nx"),
    (GatewaySettings, "PORT", "hunter2"),
    (GatewaySettings, "PORT", "65536"),
    (GatewaySettings, "INTERNAL_PORT", "-1"),
    (GatewaySettings, "MAX_MONITORS", "0"),
    (GatewaySettings, "RATE_LIMIT", "-1"),
    (GatewaySettings, "RATE_LIMIT_WINDOW", "1.5"),
    (GatewaySettings, "DOWNLOADS_ENABLED", "perhaps"),
    (GatewaySettings, "CASTWARDEN_AUDIT_DAYS", "0"),
    (GatewaySettings, "CASTWARDEN_DATABASE_POOL", "1"),
    (GatewaySettings, "CASTWARDEN_DRAIN_SECONDS", "-0.1"),
    (OperatorSettings, "CASTWARDEN_QPS", "0"),
    (OperatorSettings, "CASTWARDEN_LEADER_ELECTION", "perhaps"),
    (OperatorSettings, "CASTWARDEN_HEALTH_PORT", "65536"),
    (OperatorSettings, "CASTWARDEN_WORKER_IMAGE_PULL_POLICY", "Sometimes"),
    (OperatorSettings, "CASTWARDEN_WORKER_ENV", "{"),
    (OperatorSettings, "CASTWARDEN_WORKER_ENV", '{"a": 1}'),
    (OperatorSettings, "CASTWARDEN_POOL_RESOURCES", "[]"),
    (OperatorSettings, "CASTWARDEN_POOL_SEATS", "501"),
    (PackedSettings, "CASTWARDEN_THREADS", "65"),
    (PackedSettings, "CASTWARDEN_RECYCLE_SECONDS", "soon"),
    (WorkerSettings, "CASTWARDEN_KIND", "Pod"),
    (WorkerSettings, "CASTWARDEN_GATEWAY_URL", "gateway:8081"),
    (WorkerSettings, "CASTWARDEN_HEALTH_PORT", "x"),
]
SECRETS = [
    (GatewaySettings, "API_KEY"),
    (GatewaySettings, "DATABASE_URL"),
    (GatewaySettings, "CASTWARDEN_SECRET_KEY"),
    (GatewaySettings, "INTERNAL_API_KEY"),
    (GatewaySettings, "WEBHOOK_SIGNING_KEY"),
    (WorkerSettings, "INTERNAL_API_KEY"),
]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Refused":
    return Refused(monkeypatch, capsys)


class Refused:
    """The one line that a process ends with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def set(self, environment: Mapping[str, str]) -> None:
        for name in os.environ:
            self._monkeypatch.delenv(name)
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)

    def of(self, settings: type[Settings], environment: Mapping[str, str]) -> str:
        self.set(environment)
        with pytest.raises(SystemExit) as ended:
            settings.load()
        assert ended.value.code == 2
        (found,) = self._capsys.readouterr().err.splitlines()
        return found


@pytest.mark.parametrize("settings", RIGHT)
def test_the_settings_that_the_others_are_held_against_are_right(line: Refused, settings: type[Settings]) -> None:
    line.set(RIGHT[settings])
    settings.load()


@pytest.mark.parametrize(("settings", "name"), MISSING)
def test_a_missing_setting_is_named(line: Refused, settings: type[Settings], name: str) -> None:
    without = {key: value for key, value in RIGHT[settings].items() if key != name}
    assert f"{name}: Field required" in line.of(settings, without)
    assert f"{name}: Field required" in line.of(settings, {**without, name: ""})


@pytest.mark.parametrize(("settings", "name", "value"), WRONG)
def test_a_wrong_setting_is_named_and_not_shown(line: Refused, settings: type[Settings], name: str, value: str) -> None:
    said = line.of(settings, {**RIGHT[settings], name: value})
    assert f"{name}: " in said
    assert "hunter2" not in said


def test_all_wrong_settings_are_named_in_the_one_line(line: Refused) -> None:
    said = line.of(GatewaySettings, {"PORT": "x", "RATE_LIMIT": "-1"})
    assert all(name in said for name in ("PORT", "RATE_LIMIT", "DATABASE_URL", "CASTWARDEN_SECRET_KEY"))


@pytest.mark.parametrize(("settings", "name"), SECRETS)
def test_every_secret_can_come_from_a_file_and_a_bad_one_is_named(
    line: Refused, settings: type[Settings], name: str, tmp_path: Path
) -> None:
    value = RIGHT[settings].get(name, "hunter2")
    without = {key: text for key, text in RIGHT[settings].items() if key != name}
    file = tmp_path / "secret"
    file.write_text(value + "\n")
    line.set({**without, f"{name}_FILE": str(file)})
    from_file = settings.load()
    line.set({**without, name: value})
    assert from_file == settings.load()
    assert f"{name} and {name}_FILE are both set" in line.of(settings, {**without, name: value, f"{name}_FILE": "x"})
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for path, why in (("nothing", "No such file"), ("", "directory"), ("empty", "empty"), ("bytes", "UTF-8")):
        bad = str(tmp_path / path)
        said = line.of(settings, {**without, f"{name}_FILE": bad})
        assert f"{name}_FILE: " in said
        assert why in said
        assert bad in said


def test_another_name_of_a_setting_may_come_from_a_file_too(line: Refused, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://db/x")
    line.set({"DB_DSN_FILE": str(tmp_path / "url")})
    assert DatabaseSettings.load().database_url == "postgres://db/x"


def test_every_setting_of_the_kinds_above_exists() -> None:
    for settings, name, _ in WRONG:
        assert name in {variable_of(field, found) for field, found in settings.model_fields.items()}


@pytest.mark.parametrize(
    ("settings", "name", "nearest"),
    [
        (GatewaySettings, "CASTWARDEN_AUDIT_DAY", "CASTWARDEN_AUDIT_DAYS"),
        (GatewaySettings, "castwarden_secret_key", "CASTWARDEN_SECRET_KEY"),
        (GatewaySettings, "CASTWARDEN_SECRETKEY_FILE", "CASTWARDEN_SECRET_KEY_FILE"),
        (GatewaySettings, "CASTWARDEN_OUTBOUND_ALLOWED", "CASTWARDEN_OUTBOUND_ALLOW"),
        (GatewaySettings, "CASTWARDEN_WEATHER", None),
        (OperatorSettings, "CASTWARDEN_POOL_SEAT", "CASTWARDEN_POOL_SEATS"),
        (WorkerSettings, "CASTWARDEN_STATEDIR", "CASTWARDEN_STATE_DIR"),
        (PackedSettings, "CASTWARDEN_THREAD", "CASTWARDEN_THREADS"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_known_one(
    settings: type[Settings], name: str, nearest: str | None
) -> None:
    assert settings.unknown({**RIGHT[settings], name: "1", "PATH": "/bin"}) == {name: nearest}


def test_what_kubernetes_sets_for_our_services_is_not_unknown() -> None:
    of_a_service = {
        "CASTWARDEN_GATEWAY_SERVICE_HOST": "10.96.0.7",
        "CASTWARDEN_GATEWAY_SERVICE_PORT": "8080",
        "CASTWARDEN_GATEWAY_SERVICE_PORT_HTTP": "8080",
        "CASTWARDEN_GATEWAY_PORT": "tcp://10.96.0.7:8080",
        "CASTWARDEN_GATEWAY_PORT_8080_TCP": "tcp://10.96.0.7:8080",
        "CASTWARDEN_GATEWAY_PORT_8080_TCP_PROTO": "tcp",
        "CASTWARDEN_GATEWAY_PORT_8080_TCP_PORT": "8080",
        "CASTWARDEN_GATEWAY_PORT_8080_TCP_ADDR": "10.96.0.7",
    }
    assert GatewaySettings.unknown(of_a_service) == {}


@pytest.mark.parametrize(
    ("command", "settings", "name"),
    [
        (["castwarden_gateway"], GatewaySettings, "PORT"),
        (["castwarden_gateway", "migrate"], DatabaseSettings, "DATABASE_URL"),
        (["castwarden_operator"], OperatorSettings, "CASTWARDEN_QPS"),
        (["castwarden_worker", "monitor"], WorkerSettings, "CASTWARDEN_KIND"),
        (["castwarden_worker", "monitors"], PackedSettings, "CASTWARDEN_THREADS"),
    ],
)
async def test_a_process_ends_so(command: list[str], settings: type[Settings], name: str) -> None:
    code, lines = await run(command, {**RIGHT[settings], name: "hunter2"})
    assert code == 2
    assert [name in line and "hunter2" not in line for line in lines] == [True]


async def test_a_process_warns_of_an_unknown_name(empty_database_url: str, tmp_path: Path) -> None:
    environment = {**RIGHT[GatewaySettings], "DATABASE_URL": empty_database_url, "CASTWARDEN_STREAM": "1"}
    taken = {"PORT": "0", "INTERNAL_PORT": "0", "CASTWARDEN_HOST": "no-address", "KUBECONFIG": str(tmp_path)}
    _, lines = await run(["castwarden_gateway"], environment | taken)
    (told,) = [line for line in lines if "unknown_setting" in line]
    assert '"CASTWARDEN_STREAM"' in told
    assert '"CASTWARDEN_STREAMS"' in told


async def run(command: list[str], environment: Mapping[str, str]) -> tuple[int | None, list[str]]:
    """Exit code and lines of a process that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command), env={"PATH": os.environ["PATH"], **environment}, stderr=subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, stderr.decode().splitlines()
