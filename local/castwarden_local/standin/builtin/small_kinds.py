# SPDX-License-Identifier: Apache-2.0
"""The small built-in kinds: what the server defaults in them, what makes one invalid, what may not change."""

import base64
import re

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.interface import Object
from castwarden_local.standin.resources import Strategy
from castwarden_local.standin.validation.schema_checks import forbidden, invalid, required

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_LIMIT = 253


class NamespaceStrategy(Strategy):
    """Namespaces: held by a finalizer in `spec` until they are empty."""

    label_name = True
    returns_deleted = True
    field_paths = ("status.phase",)

    def prepare_create(self, obj: Object) -> None:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}
        self.default(obj)

    def default(self, obj: Object) -> None:
        meta = obj["metadata"]
        if meta.get("name"):
            meta["labels"] = (meta.get("labels") or {}) | {"kubernetes.io/metadata.name": meta["name"]}

    def prepare_update(self, new: Object, old: Object) -> None:
        new["spec"] = old.get("spec") or {}

    def prepare_delete(self, obj: Object) -> None:
        obj["status"] = (obj.get("status") or {}) | {"phase": "Terminating"}


class ConfigMapStrategy(Strategy):
    """ConfigMaps, and what Secrets share with them."""

    def check(self, obj: Object) -> list[Cause]:
        causes = []
        for field in ("data", "binaryData"):
            for key in obj.get(field) or {}:
                causes += _check_key(field, key)
        return causes

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        if not old.get("immutable"):
            return []
        fields = [field for field in ("data", "binaryData") if new.get(field) != old.get(field)]
        fields += [] if new.get("immutable") else ["immutable"]
        return [forbidden(field, "field is immutable when `immutable` is set") for field in fields]


class SecretStrategy(ConfigMapStrategy):
    """Secrets."""

    field_paths = ("type",)

    def default(self, obj: Object) -> None:
        obj.setdefault("type", "Opaque")
        plain = obj.pop("stringData", None) or {}
        if plain:
            coded = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
            obj["data"] = (obj.get("data") or {}) | coded

    def check_update(self, new: Object, old: Object) -> list[Cause]:
        causes = super().check_update(new, old)
        if new.get("type") != old.get("type"):
            causes.append(invalid("type", new.get("type"), "field is immutable"))
        return causes


class ServiceAccountStrategy(Strategy):
    """ServiceAccounts; `default` is made with every namespace."""

    returns_deleted = True


class ClaimStrategy(Strategy):
    """PersistentVolumeClaims. The Pod runner binds them to folders."""

    returns_deleted = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"phase": "Pending"}

    def check(self, obj: Object) -> list[Cause]:
        causes = []
        if not obj["spec"].get("accessModes"):
            causes.append(required("spec.accessModes", "at least 1 access mode is required"))
        if "storage" not in ((obj["spec"].get("resources") or {}).get("requests") or {}):
            causes.append(required("spec.resources[storage]"))
        return causes


class LeaseStrategy(Strategy):
    """Leases."""

    def check(self, obj: Object) -> list[Cause]:
        spec, causes = obj.get("spec") or {}, []
        if spec.get("leaseDurationSeconds") is not None and spec["leaseDurationSeconds"] <= 0:
            detail = "must be greater than 0"
            causes.append(invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"], detail))
        if (spec.get("leaseTransitions") or 0) < 0:
            detail = "must be greater than or equal to 0"
            causes.append(invalid("spec.leaseTransitions", spec["leaseTransitions"], detail))
        return causes


def _check_key(field: str, key: str) -> list[Cause]:
    if not _KEY.fullmatch(key):
        detail = (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            f"'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY.pattern}')"
        )
        return [invalid(f"{field}[{key}]", key, detail)]
    if len(key) > _KEY_LIMIT:
        return [invalid(f"{field}[{key}]", key, f"must be no more than {_KEY_LIMIT} characters")]
    return []
