# SPDX-License-Identifier: Apache-2.0
"""Which parts of an object a request may write: the status, everything but the status, or what applying claims."""

from castwarden_local.standin.interface import Object
from castwarden_local.standin.json_values import copy_json
from castwarden_local.standin.resources import Resource

_STATUS_PARTS = ("apiVersion", "kind", "status")


def written_part(resource: Resource, new: Object, old: Object, subresource: str) -> Object:
    """The part of `new` that the request may write, on top of the rest of `old`."""
    if subresource == "status":
        meta = copy_json(old["metadata"])
        if not resource.custom:
            meta |= {key: new["metadata"][key] for key in ("labels", "annotations") if key in new["metadata"]}
        if "managedFields" in new["metadata"]:
            meta["managedFields"] = new["metadata"]["managedFields"]
        return _with_status(copy_json(old) | {"metadata": meta}, new)
    return _with_status(new, old) if resource.has_status else new


def applied_part(resource: Resource, config: Object, subresource: str) -> Object:
    """The part of an applied object that the request may claim."""
    if subresource == "status":
        meta = {key: value for key, value in config["metadata"].items() if key not in ("labels", "annotations")}
        return {key: value for key, value in config.items() if key in _STATUS_PARTS} | {"metadata": meta}
    return {key: value for key, value in config.items() if key != "status"} if resource.has_status else config


def counted_part(resource: Resource, obj: Object) -> Object:
    """What `metadata.generation` counts the changes of."""
    left_out = ("metadata", "status") if resource.has_status else ("metadata",)
    return {key: value for key, value in obj.items() if key not in left_out}


def _with_status(obj: Object, source: Object) -> Object:
    kept = {key: value for key, value in obj.items() if key != "status"}
    return kept | ({"status": source["status"]} if "status" in source else {})
