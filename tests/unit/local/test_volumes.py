# SPDX-License-Identifier: Apache-2.0
"""What lies behind a Pod's volumes, and that it is kept up to date."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from castwarden_local.controllers.objects import Object
from castwarden_local.runner.environment import Place
from castwarden_local.runner.volumes import Storage, VolumeError, Volumes
from castwarden_local.standin.errors import NotFound
from castwarden_local.standin.interface import GVR, Api

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


class Objects:
    """The two calls that volumes make, on a dictionary."""

    def __init__(self, **found: Object) -> None:
        self.found = found
        self.minted = 0

    async def get(self, gvr: GVR, name: str, namespace: str = "") -> Object:
        if name not in self.found:
            raise NotFound(f'{gvr.plural} "{name}" not found')
        return self.found[name]

    async def patch(self, gvr: GVR, name: str, patch: Any, namespace: str = "", **_: Any) -> Object:
        self.found[name] |= patch
        return self.found[name]

    async def mint(
        self,
        namespace: str,
        service_account: str,
        audiences: Sequence[str],
        expires_in: int,
        *,
        pod: Object | None = None,
    ) -> str:
        self.minted += 1
        return f"token {self.minted} for {audiences[0]}"


def secret(**data: str) -> Object:
    return {"kind": "Secret", "data": {key: b64encode(value.encode()).decode() for key, value in data.items()}}


def volumes(objects: Objects, folder: Path, *given: Object) -> Volumes:
    pod: Object = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"volumes": list(given)}}
    storage = Storage(cast("Api", objects), objects.mint, folder / "claims")
    return Volumes(pod, folder / "pod", Place("127.1.1.1", "local"), storage)


def token_volume(seconds: int) -> Object:
    token = {"audience": "castwarden-gateway", "expirationSeconds": seconds, "path": "token"}
    return {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}}


async def test_a_token_is_renewed_at_four_fifths_of_its_life(tmp_path: Path) -> None:
    made = volumes(Objects(), tmp_path, token_volume(600))
    file = tmp_path / "pod" / "volumes" / "token" / "token"
    for seconds, number in ((0, 1), (479, 1), (480, 2), (959, 2), (960, 3)):
        await made.prepare(NOW + timedelta(seconds=seconds))
        assert file.read_text("utf-8") == f"token {number} for castwarden-gateway"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_changed_secret_reaches_the_files_and_a_removed_key_takes_its_file_along(tmp_path: Path) -> None:
    objects = Objects(keys=secret(a="1", b="2"))
    made = volumes(objects, tmp_path, {"name": "keys", "secret": {"secretName": "keys"}})
    folder = tmp_path / "pod" / "volumes" / "keys"
    await made.prepare(NOW)
    objects.found["keys"] = secret(a="3")
    await made.prepare(NOW)
    assert {file.name: file.read_text("utf-8") for file in folder.iterdir()} == {"a": "3"}


async def test_chosen_keys_go_to_their_paths(tmp_path: Path) -> None:
    chosen = {"name": "config", "items": [{"key": "a", "path": "sub/x"}]}
    objects = Objects(config={"kind": "ConfigMap", "data": {"a": "1", "b": "2"}})
    await volumes(objects, tmp_path, {"name": "v", "configMap": chosen}).prepare(NOW)
    files = [path for path in (tmp_path / "pod" / "volumes" / "v").rglob("*") if path.is_file()]
    assert [(file.name, file.read_text("utf-8")) for file in files] == [("x", "1")]


async def test_fields_of_the_pod_become_files(tmp_path: Path) -> None:
    items = [{"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}}]
    await volumes(Objects(), tmp_path, {"name": "info", "downwardAPI": {"items": items}}).prepare(NOW)
    assert (tmp_path / "pod" / "volumes" / "info" / "uid").read_text("utf-8") == "u"


async def test_an_optional_secret_may_be_missing(tmp_path: Path) -> None:
    await volumes(Objects(), tmp_path, {"name": "s", "secret": {"secretName": "s", "optional": True}}).prepare(NOW)
    assert list((tmp_path / "pod" / "volumes" / "s").iterdir()) == []


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        ({"secret": {"secretName": "none"}}, 'secrets "none" not found'),
        ({"persistentVolumeClaim": {"claimName": "none"}}, 'persistentvolumeclaim "none" not found'),
        ({"hostPath": {"path": "/etc"}}, "hostPath is not supported by the stand-in"),
        ({"secret": {"secretName": "keys", "items": [{"key": "z", "path": "z"}]}}, "keys has no key z"),
        ({"secret": {"secretName": "keys", "items": [{"key": "a", "path": "../../a"}]}}, "must lie inside the volume"),
        ({"secret": {"secretName": "keys", "items": [{"key": "a", "path": "/etc/a"}]}}, "must lie inside the volume"),
    ],
)
async def test_a_volume_that_cannot_be_made_says_why(volume: Object, reason: str, tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=reason):
        await volumes(Objects(keys=secret(a="1")), tmp_path, {"name": "v", **volume}).prepare(NOW)


async def test_a_mount_may_be_a_part_of_its_volume_but_nothing_outside(tmp_path: Path) -> None:
    made = volumes(Objects(), tmp_path, {"name": "v", "emptyDir": {}})
    await made.prepare(NOW)
    (mount,) = made.mounts({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "a/b"}]})
    assert mount.real == tmp_path / "pod" / "volumes" / "v" / "a" / "b"
    assert mount.real.is_dir()
    with pytest.raises(VolumeError, match="must lie inside the volume"):
        made.mounts({"volumeMounts": [{"name": "v", "mountPath": "/x", "subPath": "../.."}]})
    with pytest.raises(VolumeError, match="cannot mount w at /x"):
        made.mounts({"volumeMounts": [{"name": "w", "mountPath": "/x"}]})
