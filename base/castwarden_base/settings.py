# SPDX-License-Identifier: Apache-2.0
"""Settings come from the environment under the names in docs/architecture.md. One class per process derives from this.

A field names its variable: `gateway_url: str = Field(alias="CASTWARDEN_GATEWAY_URL")`. When `<NAME>_FILE` is set
instead, the value is read from that file (a mounted secret).
"""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from castwarden_base.addresses import Network as Network
from castwarden_base.logs import configure_logging, get_logger

log = get_logger(__name__)
_PREFIX = "CASTWARDEN_"
_OF_SERVICES = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://|[\d.:a-f]+$|(tcp|udp|sctp)$")


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
        except BadFile as error:
            reason = str(error)
        sys.stderr.write(f"cannot start, wrong setting: {' '.join(reason.split())}\n")
        raise SystemExit(2)

    @classmethod
    def start(cls, service: str) -> Self:
        """`load`, then logging under the service's name. Tells of variables that look like settings and are none."""
        settings = cls.load()
        configure_logging(service, settings.log_level)
        for name, nearest in cls.unknown(os.environ).items():
            log.warning("unknown_setting", variable=name, nearest=nearest)
        return settings

    @classmethod
    def unknown(cls, environment: Mapping[str, str]) -> dict[str, str | None]:
        """Names like ours that this process does not know, each with the nearest that it knows.

        What Kubernetes sets for a Service whose name begins like ours is none of them.
        """
        fields = cls.model_fields.items()
        known = {variable for name, field in fields for variable in _variables(name, field)}
        known |= {f"{variable}_FILE" for variable in known}
        strange = sorted(name for name in environment if name.upper().startswith(_PREFIX) and name not in known)
        return {
            name: next(iter(get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.8)), None)
            for name in strange
            if not (_OF_SERVICES.search(name) and _ADDRESS.match(environment[name]))
        }

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


class BadFile(Exception):
    """The file that an `X_FILE` names cannot be taken."""


def variable_of(name: str, field: FieldInfo) -> str:
    """The environment variable that a field is read from; the first one when it has several names."""
    return _variables(name, field)[0]


def _variables(name: str, field: FieldInfo) -> list[str]:
    if isinstance(field.validation_alias, AliasChoices):
        return [str(choice) for choice in field.validation_alias.choices]
    return [field.alias or name.upper()]


class _Environment(PydanticBaseSettingsSource):
    """`X`, spelt exactly so, or the content of the file that `X_FILE` names, without its last line break.

    Both is refused, for nobody would know which holds. An empty `X` has the last word: a worker's template cannot slip
    in an `X_FILE`. An empty file is refused, for it is none that somebody meant.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        for variable in _variables(field_name, field):
            if (text := self._read(variable)) is not None:
                return text or None, variable, False
        return None, variable_of(field_name, field), False

    @staticmethod
    def _read(variable: str) -> str | None:
        path, text = os.environ.get(f"{variable}_FILE"), os.environ.get(variable)
        if text is not None or not path:
            if text and path:
                raise BadFile(f"{variable} and {variable}_FILE are both set; unset one")
            return text
        try:
            content = Path(path).read_text("utf-8").rstrip("\r\n")
        except OSError as error:
            raise BadFile(f"{variable}_FILE: {error.strerror}: {path}") from error
        except ValueError as error:
            raise BadFile(f"{variable}_FILE: neither text in UTF-8 nor a path: {path}") from error
        if not content:
            raise BadFile(f"{variable}_FILE: the file is empty: {path}")
        return content

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, variable, _ = self.get_field_value(field, name)
            if value is not None:
                found[variable] = value
        return found
