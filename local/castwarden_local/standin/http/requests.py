# SPDX-License-Identifier: Apache-2.0
"""A request of the Kubernetes API taken apart: path, query, media types, body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
import yaml

from castwarden_local.standin.errors import BadRequest, NotAcceptable, NotFound, UnsupportedMediaType
from castwarden_local.standin.http import protobuf
from castwarden_local.standin.interface import GVR, Object
from castwarden_local.standin.resources import Resource
from castwarden_local.standin.validation.schema_checks import forbidden, required, too_long, type_name, unsupported
from castwarden_local.standin.writing.admission import Validation, options_refusal

View = Literal["object", "table", "partial"]
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_DEPTH_LIMIT = 100
_MANAGER_LIMIT = 128
_SHOWN = 30
_UNKNOWN_FORMAT = "the body of the request was in an unknown format - accepted media types include: "


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: a collection (no name), an object, or a subresource of one."""

    gvr: GVR
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_path(path: str) -> Place:
    """Takes `/api/v1/…` and `/apis/GROUP/VERSION/…` apart. Raises NotFound for anything else."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise NotFound("the server could not find the requested resource")
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (rest[2] in ("status", "finalize") and len(rest) == 3):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        raise NotFound("the server could not find the requested resource")
    name, subresource = (*rest[1:], "", "")[:2]
    return Place(GVR(group, version, rest[0]), namespace, name, subresource)


def parse_view(accept: str) -> View:
    """The first media type in an Accept header that can be served. Raises NotAcceptable."""
    for entry in accept.split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        options = dict(parameter.partition("=")[::2] for parameter in parameters)
        if kind not in ("application/json", "application/*", "*/*", ""):
            continue
        shape = options.get("as", "")
        if shape == "Table" and options.get("v") == "v1":
            return "table"
        if shape in ("PartialObjectMetadata", "PartialObjectMetadataList") and options.get("v") == "v1":
            return "partial"
        if not shape:
            return "object"
    raise NotAcceptable("only the following media types are accepted: application/json")


class Query:
    """Query parameters of writes, lists and watches."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        return self._values.get(name, "")

    def flag(self, name: str) -> bool:
        """Go's idea of a boolean; anything unknown counts as true, as on the API server."""
        return name in self._values and self._values[name].lower() not in ("0", "f", "false")

    def integer(self, name: str) -> int | None:
        text = self._values.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    def dry_run(self, kind: str) -> bool:
        value = self._values.get("dryRun", "")
        if value not in ("", "All"):
            raise options_refusal(kind, [unsupported("dryRun", value, ("All",))])
        return value == "All"

    def validation(self, kind: str) -> Validation:
        value = self._values.get("fieldValidation", "")
        allowed = ("", "Ignore", "Strict", "Warn")
        if value not in allowed:
            raise options_refusal(kind, [unsupported("fieldValidation", value, allowed)])
        return cast("Validation", value)

    def manager(self, kind: str, user_agent: str, *, applying: bool) -> str:
        """The field manager: as asked for, else the client's name. Raises Invalid."""
        name = self._values.get("fieldManager", "")
        if len(name.encode()) > _MANAGER_LIMIT:
            raise options_refusal(kind, [too_long("fieldManager", _MANAGER_LIMIT)])
        if applying and not name:
            raise options_refusal(kind, [required("fieldManager", "is required for apply patch")])
        if not applying and kind == "PatchOptions" and "force" in self._values:
            raise options_refusal(kind, [forbidden("force", "may not be specified for non-apply patch")])
        return name or user_agent.partition("/")[0][:_MANAGER_LIMIT] or "unknown"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: no dates, and no aliases, which could make a small text a huge object."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def decode_object(body: bytes, resource: Resource, media_type: str) -> Object:
    """The object in the body of a create or an update. Raises BadRequest, UnsupportedMediaType."""
    wrong = f"the object provided is unrecognized (must be of type {resource.kind}): "
    if media_type == protobuf.MEDIA_TYPE:
        message = "EventsEvent" if resource.gvr.group == "events.k8s.io" else resource.kind
        return decode_message(body, message, wrong)
    if media_type not in ("", "application/json", "application/yaml"):
        raise UnsupportedMediaType(_UNKNOWN_FORMAT + "application/json, application/yaml")
    unreadable = f"{wrong}couldn't get version/kind; json parse error: "
    value = decode(body, unreadable, yaml_too=media_type == "application/yaml")
    if not isinstance(value, dict):
        raise BadRequest(f"{unreadable}json: cannot unmarshal {type_name(value)} into an object")
    if resource.custom and not value.get("kind"):
        raise BadRequest(f"{wrong}Object 'Kind' is missing in '{body[:_SHOWN].decode(errors='replace')} ...'")
    return value


def decode_message(body: bytes, kind: str, wrong: str) -> Object:
    """An object in the binary encoding. Raises BadRequest beginning with `wrong`."""
    try:
        return protobuf.decode_binary(body, kind)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{wrong}{error}") from error


def decode_patch(body: bytes, media_type: str, resource: Resource) -> Any:
    """The body of a patch. Raises BadRequest, UnsupportedMediaType."""
    allowed = [JSON_PATCH, MERGE_PATCH] + ([] if resource.custom else [STRATEGIC_PATCH]) + [APPLY_PATCH]
    if media_type not in allowed:
        listed = ", ".join(allowed)
        raise UnsupportedMediaType(_UNKNOWN_FORMAT + listed)
    applying = media_type == APPLY_PATCH
    value = decode(body, "error decoding YAML: " if applying else "error decoding patch: ", yaml_too=applying)
    if media_type != JSON_PATCH and not isinstance(value, dict):
        if applying:
            raise BadRequest("invalid object type: /, Kind=")
        detail = f"json: cannot unmarshal {type_name(value)} into Go value of type map[string]interface {{}}"
        raise BadRequest(f"error decoding patch: {detail}")
    return value


def decode(body: bytes, wrong: str, *, yaml_too: bool = False) -> Any:
    """JSON (or YAML), not nested deeper than anything sensible. Raises BadRequest beginning with `wrong`."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _decode_yaml(body, wrong) if yaml_too else None
        if not yaml_too:
            raise BadRequest(f"{wrong}{error}") from error
    if _too_deep(value):
        raise BadRequest(f"{wrong}exceeded max depth")
    return value


def _decode_yaml(body: bytes, wrong: str) -> Any:
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader with less
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{wrong}{error}") from error


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        level = [
            item
            for each in level
            if isinstance(each, dict | list)
            for item in (each.values() if isinstance(each, dict) else each)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True
