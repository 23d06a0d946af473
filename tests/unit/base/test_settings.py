# SPDX-License-Identifier: Apache-2.0
"""Settings: names, files, and one clear line when something is wrong."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from castwarden_base.settings import Settings
from pydantic import Field, SecretStr


class Sample(Settings):
    database_url: SecretStr = Field(alias="DATABASE_URL")
    port: int = Field(8080, alias="PORT", ge=1)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DATABASE_URL_FILE", "PORT", "CASTWARDEN_OUTBOUND_ALLOW", "CASTWARDEN_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def test_a_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("PORT", "81")
    settings = Sample.load()
    assert settings.database_url.get_secret_value() == "postgresql://x"
    assert settings.port == 81


def test_a_field_is_read_from_the_file_that_its_variable_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://from-file\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Sample.load().database_url.get_secret_value() == "postgresql://from-file"


def test_a_variable_and_its_file_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "url").write_text("from-file")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("DATABASE_URL", "direct")
    with pytest.raises(SystemExit):
        Sample.load()
    (line,) = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL and DATABASE_URL_FILE are both set" in line


def test_networks_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "x")
    monkeypatch.setenv("CASTWARDEN_OUTBOUND_ALLOW", "10.0.0.0/8, ::1/128,")
    assert Sample.load().outbound_allow == (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", None),
        ("PORT", "zero"),
        ("PORT", "0"),
        ("CASTWARDEN_OUTBOUND_ALLOW", "10.0.0.0/99"),
        ("CASTWARDEN_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str | None
) -> None:
    monkeypatch.setenv("DATABASE_URL", "x")
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        Sample.load()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert variable in line


def test_a_secret_s_missing_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", "/nowhere/url")
    with pytest.raises(SystemExit) as ended:
        Sample.load()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL_FILE" in line
    assert "/nowhere/url" in line


def test_an_error_never_shows_the_wrong_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "x")
    monkeypatch.setenv("PORT", "hunter2")
    with pytest.raises(SystemExit):
        Sample.load()
    assert "hunter2" not in capsys.readouterr().err


def test_a_field_may_be_given_by_name() -> None:
    assert Sample(database_url=SecretStr("x"), port=3).port == 3


@pytest.mark.parametrize("forged", ["castwarden_outbound_allow", "OUTBOUND_ALLOW", "Castwarden_Outbound_Allow"])
def test_only_the_documented_spelling_of_a_variable_is_read(monkeypatch: pytest.MonkeyPatch, forged: str) -> None:
    monkeypatch.setenv(forged, "0.0.0.0/0")
    assert Settings.load().outbound_allow == ()


def test_an_empty_variable_shuts_out_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "allow").write_text("0.0.0.0/0")
    monkeypatch.setenv("CASTWARDEN_OUTBOUND_ALLOW", "")
    monkeypatch.setenv("CASTWARDEN_OUTBOUND_ALLOW_FILE", str(tmp_path / "allow"))
    assert Settings.load().outbound_allow == ()
