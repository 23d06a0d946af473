# SPDX-License-Identifier: Apache-2.0
"""What the operator puts into a worker's environment. See docs/architecture.md, "Operator → worker Pod"."""

from pathlib import Path
from typing import Annotated, Literal

from castwarden_base.settings import Settings
from castwarden_model.messages import INTERNAL_KEY_HEADER, ResourceRef
from pydantic import Field, SecretStr

HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]


class WorkerSettings(Settings):
    """One worker works for one resource."""

    kind: Literal["Monitor", "Channel", "DownloadJob"] = Field(
        alias="CASTWARDEN_KIND", description="The resource's kind"
    )
    namespace: str = Field(alias="CASTWARDEN_NAMESPACE", description="Its namespace")
    name: str = Field(alias="CASTWARDEN_NAME", description="Its name")
    uid: str = Field(alias="CASTWARDEN_UID", description="Its uid: made again under its name, it is another resource")
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
    download_dir: Path = Field(
        Path("/downloads"), alias="CASTWARDEN_DOWNLOAD_DIR", description="Where finished files land"
    )
    youtube_feed_url: HttpUrl = Field(
        "https://www.youtube.com/feeds/videos.xml?channel_id={channel_id}",
        alias="CASTWARDEN_YOUTUBE_FEED_URL",
        description="Where a YouTube channel's feed is; {channel_id} is replaced",
    )
    pod_name: str = Field("", alias="POD_NAME", description="The Pod's name, part of every report")
    pod_ip: str = Field("0.0.0.0", alias="POD_IP", description="Where health and metrics listen")
    health_port: int = Field(8082, alias="CASTWARDEN_HEALTH_PORT", ge=0, le=65535, description="Their port")

    @property
    def resource(self) -> ResourceRef:
        """The resource that this worker works for."""
        return ResourceRef(kind=self.kind, namespace=self.namespace, name=self.name, uid=self.uid)

    def credentials(self) -> dict[str, str]:
        """Headers for the gateway. Read anew for each call, because the token is replaced while we run."""
        headers = {}
        if self.token_file and self.token_file.exists():
            headers["Authorization"] = f"Bearer {self.token_file.read_text('utf-8').strip()}"
        if self.internal_api_key:
            headers[INTERNAL_KEY_HEADER] = self.internal_api_key.get_secret_value()
        return headers
