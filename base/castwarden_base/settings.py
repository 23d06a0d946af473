# SPDX-License-Identifier: Apache-2.0
"""Settings come from the environment under the names in docs/architecture.md. One class per process derives from this.

A field names its variable: `gateway_url: str = Field(alias="CASTWARDEN_GATEWAY_URL")`. When `<NAME>_FILE` is set
instead, the value is read from that file (a mounted secret).
"""

import os
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from castwarden_base.addresses import Network as Network


def _split_networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())


Networks = Annotated[tuple[Network, ...], BeforeValidator(_split_networks)]


class Settings(BaseSettings):
    """What every process understands. Fields can also be given by name, which tests do."""

    model_config = SettingsConfigDict(populate_by_name=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="CASTWARDEN_LOG_LEVEL", description="debug, info, warning or error"
    )
    outbound_allow: Networks = Field(
        default=(),
        alias="CASTWARDEN_OUTBOUND_ALLOW",
        description="CIDRs, comma-separated, that outbound requests may reach although they are private",
    )

    @classmethod
    def load(cls) -> Self:
        """Reads the environment. A wrong or missing setting ends the process: one line that names it, exit code 2."""
        try:
            return cls()
        except ValidationError as error:
            reason = "; ".join(f"{cls._variable(item['loc'])}: {item['msg']}" for item in error.errors())
        except OSError as error:
            reason = str(error)
        sys.stderr.write(f"cannot start, wrong setting: {reason}\n")
        raise SystemExit(2)

    @classmethod
    def _variable(cls, loc: tuple[int | str, ...]) -> str:
        name = str(loc[0]) if loc else "settings"
        field = cls.model_fields.get(name)
        return variable_of(name, field) if field else name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _Environment(settings_cls)


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable that a field is read from; the first one when it has several names."""
    return _variables(name, field)[0]


def _variables(name: str, field: FieldInfo) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or name.upper()]


class _Environment(PydanticBaseSettingsSource):
    """`X`, spelt exactly so, or the content of the file that `X_FILE` names, without its last line break.

    Whoever sets `X` has the last word, even with an empty value: a worker's template cannot slip in an `X_FILE`.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for variable in _variables(field_name, field):
            if (text := self._read(variable)) is not None:
                return text or None, variable, False
        return None, variable_of(field_name, field), False

    @staticmethod
    def _read(variable: str) -> str | None:
        path = os.environ.get(f"{variable}_FILE")
        if variable in os.environ or not path:
            return os.environ.get(variable)
        try:
            return Path(path).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            raise OSError(f"{variable}_FILE: {error.strerror}: {path}") from error

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, variable, _ = self.get_field_value(field, name)
            if value is not None:
                found[variable] = value
        return found
