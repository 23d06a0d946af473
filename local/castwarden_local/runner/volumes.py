# SPDX-License-Identifier: Apache-2.0
"""The directories and files behind a Pod's volumes, and their upkeep: a token is renewed at four fifths of its life.

emptyDir lies in the Pod's own directory and lives as long as the Pod; a claim lies under `volumes/<namespace>/<claim>`.
"""

import base64
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from castwarden_local.controllers.objects import Object
from castwarden_local.runner.environment import ConfigError, Mount, Place, Sources, read_field
from castwarden_local.standin.errors import ApiError, NotFound
from castwarden_local.standin.interface import CONFIG_MAPS, GVR, PERSISTENT_VOLUME_CLAIMS, SECRETS, Api, TokenMint

TOKEN_SECONDS = 3600
RENEW_AT = 0.8  # of a token's life, as the kubelet does


class VolumeError(Exception):
    """A volume cannot be made now; the Pod waits and it is tried again."""


@dataclass(frozen=True, slots=True)
class Storage:
    """What volumes are made from; one for all Pods. `claims` is the directory of all claims."""

    api: Api
    mint: TokenMint
    claims: Path


class Volumes:
    """Those of one Pod. `prepare` makes them and, called again, brings their content up to date."""

    def __init__(self, pod: Object, directory: Path, place: Place, storage: Storage) -> None:
        self._pod = pod
        self._directory = directory
        self._place = place
        self._storage = storage
        self._namespace: str = pod["metadata"]["namespace"]
        self._real: dict[str, Path] = {}
        self._renew: dict[str, datetime] = {}

    async def prepare(self, now: datetime) -> None:
        """Raises VolumeError."""
        try:
            for volume in self._pod["spec"].get("volumes") or []:
                self._real[volume["name"]] = await self._one(volume, now)
        except (ApiError, OSError, ConfigError) as error:
            raise VolumeError(str(error)) from error

    def mounts(self, container: Object) -> list[Mount]:
        """Raises VolumeError for a mount of a volume that the Pod does not have."""
        made = []
        for mount in container.get("volumeMounts") or []:
            if mount["name"] not in self._real or "subPathExpr" in mount:
                raise VolumeError(f"cannot mount {mount['name']} at {mount['mountPath']}")
            real = self._real[mount["name"]]
            if mount.get("subPath"):
                real = _inside(real, mount["subPath"])
                if not real.exists():
                    real.mkdir(parents=True)
            made.append(Mount(mount["mountPath"], real))
        return made

    async def _one(self, volume: Object, now: datetime) -> Path:
        name: str = volume["name"]
        here = self._directory / "volumes" / name
        if "persistentVolumeClaim" in volume:
            return await self._claim(volume["persistentVolumeClaim"]["claimName"])
        if "projected" in volume:
            _write(here, await self._projected(name, volume["projected"].get("sources") or [], here, now))
        elif "secret" in volume:
            given = volume["secret"] | {"name": volume["secret"]["secretName"]}
            _write(here, await self._keys(SECRETS, given))
        elif "configMap" in volume:
            _write(here, await self._keys(CONFIG_MAPS, volume["configMap"]))
        elif "downwardAPI" in volume:
            _write(here, self._fields(volume["downwardAPI"]))
        elif "emptyDir" in volume:
            here.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            kind = next((key for key in volume if key != "name"), "nothing")
            raise VolumeError(f"volume {name}: {kind} is not supported by the stand-in")
        return here

    async def _claim(self, name: str) -> Path:
        try:
            claim = await self._storage.api.get(PERSISTENT_VOLUME_CLAIMS, name, self._namespace)
        except NotFound as error:
            raise VolumeError(f'persistentvolumeclaim "{name}" not found') from error
        directory = self._storage.claims / self._namespace / name
        directory.mkdir(parents=True, exist_ok=True)
        if (claim.get("status") or {}).get("phase") != "Bound":
            wanted = (claim["spec"].get("resources") or {}).get("requests") or {}
            status = {"phase": "Bound", "accessModes": claim["spec"].get("accessModes"), "capacity": wanted}
            patch = {"status": status}
            await self._storage.api.patch(PERSISTENT_VOLUME_CLAIMS, name, patch, self._namespace, subresource="status")
        return directory

    async def _projected(
        self, volume: str, sources: Sequence[Object], here: Path, now: datetime
    ) -> dict[str, bytes | None]:
        """File contents by path; None for one that may stay as it is."""
        files: dict[str, bytes | None] = {}
        for source in sources:
            if "serviceAccountToken" in source:
                given = source["serviceAccountToken"]
                files[given["path"]] = await self._token(f"{volume}/{given['path']}", given, here, now)
            elif "secret" in source:
                files |= await self._keys(SECRETS, source["secret"])
            elif "configMap" in source:
                files |= await self._keys(CONFIG_MAPS, source["configMap"])
            elif "downwardAPI" in source:
                files |= self._fields(source["downwardAPI"])
            else:
                raise VolumeError(f"volume {volume}: projecting {', '.join(source)} is not supported by the stand-in")
        return files

    async def _token(self, key: str, given: Object, here: Path, now: datetime) -> bytes | None:
        if now < self._renew.get(key, now) and _inside(here, given["path"]).exists():
            return None
        seconds = int(given.get("expirationSeconds") or TOKEN_SECONDS)
        account = self._pod["spec"].get("serviceAccountName") or "default"
        audiences = [given["audience"]] if given.get("audience") else []
        token = await self._storage.mint(self._namespace, account, audiences, seconds, pod=self._pod)
        self._renew[key] = now + timedelta(seconds=seconds * RENEW_AT)
        return token.encode()

    async def _keys(self, gvr: GVR, given: Object) -> dict[str, bytes | None]:
        try:
            content = contents(await self._storage.api.get(gvr, given["name"], self._namespace))
        except NotFound as error:
            if given.get("optional"):
                return {}
            raise VolumeError(str(error)) from error
        items = given.get("items")
        if not items:
            return dict(content)
        missing = [item["key"] for item in items if item["key"] not in content]
        if missing and not given.get("optional"):
            raise VolumeError(f"{given['name']} has no key {', '.join(missing)}")
        return {item["path"]: content[item["key"]] for item in items if item["key"] in content}

    def _fields(self, given: Object) -> dict[str, bytes | None]:
        return {
            item["path"]: read_field(self._pod, item["fieldRef"]["fieldPath"], self._place).encode()
            for item in given.get("items") or []
        }


def contents(obj: Object) -> dict[str, bytes]:
    """What a Secret or a ConfigMap holds."""
    if "binaryData" in obj or obj.get("kind") == "ConfigMap":
        text = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
        return text | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}
    return {key: base64.b64decode(value) for key, value in (obj.get("data") or {}).items()}


async def sources_of(pod: Object, api: Api) -> Sources:
    """Reads the Secrets and ConfigMaps that the Pod's variables name. Raises ApiError."""
    names: dict[GVR, set[str]] = {SECRETS: set(), CONFIG_MAPS: set()}
    for container in [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]:
        references = [entry.get("valueFrom") or {} for entry in container.get("env") or []]
        references += container.get("envFrom") or []
        for reference in references:
            for field, gvr in (("secretKeyRef", SECRETS), ("secretRef", SECRETS)):
                names[gvr] |= {reference[field]["name"]} if field in reference else set()
            for field, gvr in (("configMapKeyRef", CONFIG_MAPS), ("configMapRef", CONFIG_MAPS)):
                names[gvr] |= {reference[field]["name"]} if field in reference else set()
    namespace = pod["metadata"]["namespace"]
    return Sources(await _texts(api, SECRETS, names, namespace), await _texts(api, CONFIG_MAPS, names, namespace))


async def _texts(api: Api, gvr: GVR, names: Mapping[GVR, set[str]], namespace: str) -> dict[str, dict[str, str]]:
    found = {}
    for name in sorted(names[gvr]):
        try:
            obj = await api.get(gvr, name, namespace)
        except NotFound:
            continue
        found[name] = {key: value.decode("utf-8", "replace") for key, value in contents(obj).items()}
    return found


def _inside(directory: Path, path: str) -> Path:
    """Raises VolumeError for a path that leads out of the directory."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        raise VolumeError(f"{path} must lie inside the volume")
    return directory / parts


def _write(directory: Path, files: Mapping[str, bytes | None]) -> None:
    """Makes the directory hold exactly these files; a reader sees the old or the new content, never a part."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    wanted = {_inside(directory, path): content for path, content in files.items()}
    for path, content in wanted.items():
        if content is None or (path.exists() and path.read_bytes() == content):
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(content)
        fresh.replace(path)
    for path in directory.rglob("*"):
        if path.is_file() and path not in wanted:
            path.unlink()


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
