# SPDX-License-Identifier: Apache-2.0
"""What the operator puts into a worker's environment. See docs/architecture.md, "Operator → worker Pod"."""

from pathlib import Path
from typing import Annotated, Literal

from castwarden_base.settings import Settings
from castwarden_model.messages import INTERNAL_KEY_HEADER, ResourceRef
from pydantic import Field, SecretStr

HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class ProcessSettings(Settings):
    """What every worker is told, whatever it works for."""

    namespace: str = Field(alias="CASTWARDEN_NAMESPACE", description="The namespace of what it works for")
    gateway_url: HttpUrl = Field(alias="CASTWARDEN_GATEWAY_URL", description="The gateway's internal listener")
    token_file: Path | None = Field(
        None, alias="CASTWARDEN_TOKEN_FILE", description="The projected token, read anew for each call"
    )
    internal_api_key: SecretStr | None = Field(
        None, alias="INTERNAL_API_KEY", description="Accepted by the gateway instead of a token when it has the same"
    )
    state_dir: Path = Field(
        Path("/var/lib/castwarden"), alias="CASTWARDEN_STATE_DIR", description="Where reports wait until they are taken"
    )
    pod_name: str = Field("", alias="POD_NAME", description="The Pod's name, part of every report")
    pod_ip: str = Field("0.0.0.0", alias="POD_IP", description="Where health and metrics listen")
    health_port: int = Field(8082, alias="CASTWARDEN_HEALTH_PORT", ge=0, le=65535, description="Their port")

    def credentials(self) -> dict[str, str]:
        """Headers for the gateway. Read anew for each call, because the token is replaced while we run."""
        headers = {}
        if self.token_file and self.token_file.exists():
            headers["Authorization"] = f"Bearer {self.token_file.read_text('utf-8').strip()}"
        if self.internal_api_key:
            headers[INTERNAL_KEY_HEADER] = self.internal_api_key.get_secret_value()
        return headers


class WorkerSettings(ProcessSettings):
    """One worker works for one resource."""

    kind: Literal["Monitor", "Channel", "DownloadJob"] = Field(
        alias="CASTWARDEN_KIND", description="The resource's kind"
    )
    name: str = Field(alias="CASTWARDEN_NAME", description="Its name")
    uid: str = Field(alias="CASTWARDEN_UID", description="Its uid: made again under its name, it is another resource")
    download_dir: Path = Field(
        Path("/downloads"), alias="CASTWARDEN_DOWNLOAD_DIR", description="Where finished files land"
    )
    youtube_feed_url: HttpUrl = Field(
        "https://www.youtube.com/feeds/videos.xml?channel_id={channel_id}",
        alias="CASTWARDEN_YOUTUBE_FEED_URL",
        description="Where a YouTube channel's feed is; {channel_id} is replaced",
    )

    @property
    def resource(self) -> ResourceRef:
        """The resource that this worker works for."""
        return ResourceRef(kind=self.kind, namespace=self.namespace, name=self.name, uid=self.uid)


class PackedSettings(ProcessSettings):
    """One worker works for all Monitors that have a seat in its Pod."""

    pool: str = Field("default", alias="CASTWARDEN_POOL", description="The pool that its Pod belongs to, for its log")
    threads: int = Field(
        2, alias="CASTWARDEN_THREADS", ge=1, le=64, description="Threads that decode, for all its streams together"
    )
    recycle_rss_mib: int = Field(
        0, alias="CASTWARDEN_RECYCLE_RSS_MIB", ge=0, description="Memory held at which it asks to be replaced; 0: never"
    )
    recycle_seconds: float = Field(
        0.0, alias="CASTWARDEN_RECYCLE_SECONDS", ge=0, description="Age at which it asks to be replaced; 0: never"
    )

    def of_seat(self, ref: ResourceRef) -> WorkerSettings:
        """What the only worker of this Monitor would be told, with a folder of its own."""
        own = {"kind": ref.kind, "name": ref.name, "uid": ref.uid, "state_dir": self.state_dir / "seats" / ref.uid}
        shared = {name: getattr(self, name) for name in ProcessSettings.model_fields}
        return WorkerSettings(**{**shared, **own})
