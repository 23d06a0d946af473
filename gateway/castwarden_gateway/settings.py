# SPDX-License-Identifier: Apache-2.0
"""The gateway's settings. Names that the Stream Tracker or YT Tracker already used are kept."""

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

from castwarden_base.settings import Networks, Settings
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr

from castwarden_gateway.outbound.receivers import HOST

_ORIGIN = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#@]+")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _read_key(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        key = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_" if set(value) & set("-_") else None)
    except binascii.Error as error:
        raise ValueError("must be base64") from error
    if len(key) != 32:
        raise ValueError(f"must be 32 bytes in base64, this is {len(key)}")
    return key


def _read_keys(value: object) -> object:
    parts = _split(value)
    return tuple(map(_read_key, parts)) if isinstance(parts, list) else value


def _read_origins(value: object) -> object:
    parts = _split(value)
    if not isinstance(parts, list) or parts == ["none"]:
        return () if isinstance(parts, list) else value
    for part in parts:
        if part != "*" and not _ORIGIN.fullmatch(part):
            raise ValueError(f"must be like https://app.example.com, without a path; {part} is not")
    return tuple(part.lower() for part in parts)


def _read_rates(value: object) -> object:
    parts = _split(value)
    if not isinstance(parts, list):
        return value
    rates = {}
    for part in parts:
        site, _, rate = part.partition("=")
        if not site or not rate.isdigit():
            raise ValueError("must be like youtube.com=300,twitch.tv=600")
        rates[site.strip().lower()] = int(rate)
    return rates


def _read_hosts(value: object) -> object:
    parts = _split(value)
    if not isinstance(parts, list):
        return value
    hosts = tuple(part.rstrip(".").lower() for part in parts)
    for host in hosts:
        if not HOST.fullmatch(host):
            raise ValueError(f"must be like receiver.tools.svc or *.tools.svc, without a port; {host} is not")
    return hosts


Hosts = Annotated[tuple[str, ...], BeforeValidator(_read_hosts)]
Rates = Annotated[dict[str, int], BeforeValidator(_read_rates)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_read_origins)]
SecretKeys = Annotated[tuple[bytes, ...], BeforeValidator(_read_keys), Field(min_length=1, repr=False)]


def _read_url(value: str) -> str:
    """Raises ValueError for what no driver of PostgreSQL takes. Says nothing of the value, which holds a password."""
    parts = urlsplit(value)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with postgresql://")
    if "," not in parts.netloc:  # else several hosts, each with a port
        try:
            _ = parts.port
        except ValueError:
            raise ValueError("has a port that is none") from None
    return value


class DatabaseSettings(Settings):
    """What a migration needs."""

    database_url: Annotated[str, AfterValidator(_read_url)] = Field(
        validation_alias=AliasChoices("DATABASE_URL", "DB_DSN"),
        description="PostgreSQL; DB_DSN is another name for it",
        repr=False,
    )


class GatewaySettings(DatabaseSettings):
    """What the gateway reads from its environment."""

    secret_keys: SecretKeys = Field(
        alias="CASTWARDEN_SECRET_KEY",
        description="32 bytes in base64 that encrypt webhook secrets at rest; after commas, older keys still read",
    )
    api_key: SecretStr | None = Field(
        None, alias="API_KEY", description="the first API key of the tenant public; unset means one is made and shown"
    )
    internal_api_key: SecretStr | None = Field(
        None, alias="INTERNAL_API_KEY", description="accepted on the internal listener beside worker tokens"
    )
    webhook_signing_key: SecretStr | None = Field(
        None, alias="WEBHOOK_SIGNING_KEY", description="signs for callback_url receivers; unset means one key each"
    )
    host: str = Field("0.0.0.0", alias="CASTWARDEN_HOST", description="address that both listeners bind")
    port: int = Field(8080, alias="PORT", ge=0, le=65535, description="public listener")
    internal_port: int = Field(8081, alias="INTERNAL_PORT", ge=0, le=65535, description="listener for workers")
    namespace: str = Field("default", alias="CASTWARDEN_NAMESPACE", description="namespace of the tenant public")
    watch_namespaces: Names = Field(
        (), alias="CASTWARDEN_WATCH_NAMESPACES", description="namespaces to watch, comma-separated; empty means all"
    )
    downloads_enabled: bool = Field(False, alias="DOWNLOADS_ENABLED", description="whether DownloadJobs can be made")
    max_monitors: int = Field(1000, alias="MAX_MONITORS", ge=1, description="active monitors of a new tenant")
    max_channels: int = Field(1000, alias="MAX_CHANNELS", ge=1, description="channels of each tenant")
    max_downloads: int = Field(1000, alias="MAX_DOWNLOADS", ge=1, description="unfinished downloads of each tenant")
    rate_limit: int = Field(100, alias="RATE_LIMIT", ge=0, description="requests per window and API key; 0: no limit")
    rate_limit_window: int = Field(60, alias="RATE_LIMIT_WINDOW", ge=1, description="seconds")
    allow_origins: Origins = Field(
        ("http://localhost:3000",),
        alias="ALLOW_ORIGINS",
        description="origins, comma-separated, whose pages may call the API from a browser; * for all, none for none",
    )
    streams: int = Field(500, alias="CASTWARDEN_STREAMS", ge=0, description="open event streams of this process")
    streams_per_key: int = Field(
        20, alias="CASTWARDEN_STREAMS_PER_KEY", ge=1, description="open event streams of one API key in this process"
    )
    trusted_proxies: Networks = Field(
        (),
        alias="CASTWARDEN_TRUSTED_PROXIES",
        description="CIDRs, comma-separated, of proxies in front whose X-Forwarded-For is believed",
    )
    webhook_hosts: Hosts = Field(
        (),
        alias="CASTWARDEN_WEBHOOK_HOSTS",
        description="hosts, comma-separated, that webhooks may go to wherever they lead: a cluster's Services; "
        "*.tools.svc stands for all that end so",
    )
    extractions_per_hour: Rates = Field(
        {"youtube.com": 300},
        alias="CASTWARDEN_EXTRACTIONS_PER_HOUR",
        description="how often all workers together may ask a site by yt-dlp or streamlink, as site=number,…; "
        "a quarter of it at once, half of it for one namespace while others ask too; other sites: no limit",
    )
    event_days: int = Field(
        365, alias="CASTWARDEN_EVENT_DAYS", ge=30, le=36500, description="days that events are kept"
    )
    delivery_days: int = Field(
        30,
        alias="CASTWARDEN_DELIVERY_DAYS",
        ge=1,
        le=365,
        description="days that attempts, dead deliveries and what is counted of endpoints are kept",
    )
    audit_days: int = Field(
        365, alias="CASTWARDEN_AUDIT_DAYS", ge=1, le=36500, description="days that the audit log is kept"
    )
    database_pool: int = Field(10, alias="CASTWARDEN_DATABASE_POOL", ge=2, description="connections to PostgreSQL")
    drain_seconds: float = Field(
        5.0, alias="CASTWARDEN_DRAIN_SECONDS", ge=0, description="time between turning unready and closing on SIGTERM"
    )
