# SPDX-License-Identifier: Apache-2.0
"""What a container's process is given: variables, command line, working directory. Pure, but for what `Sources` reads.

There are no mounts: a value, argument or working directory that is a mountPath, or lies below one, is rewritten to the
real directory.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from castwarden_local.controllers.objects import Object

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
SEARCH_PATH = ":".join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"))


class ConfigError(Exception):
    """The container cannot be made as its spec says; `reason` is the one in its status."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError") -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sources:
    """The Secrets and ConfigMaps of the Pod's namespace that it names, by name, as text; absent ones are left out."""

    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mount:
    """A place that the container knows as `path` and that is `real` on this machine."""

    path: str
    real: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where the Pod runs."""

    ip: str
    node: str
    host_ip: str = "127.0.0.1"


def environment(
    pod: Object, container: Object, place: Place, sources: Sources, mounts: Sequence[Mount]
) -> dict[str, str]:
    """The container's own variables, in the order of its spec, references expanded. Raises ConfigError."""
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        found |= _from_source(source, sources)
    for entry in container.get("env") or []:
        value = _value(entry, pod, place, sources)
        if value is not None:
            found[entry["name"]] = expand(value, found)
    return {name: rewrite(value, mounts) for name, value in found.items()}


def command_line(container: Object, env: Mapping[str, str], mounts: Sequence[Mount]) -> list[str]:
    """`command` and `args`. Raises ConfigError without a command: there is no image that could name one."""
    if not container.get("command"):
        raise ConfigError("no command specified, and images are not used here", "CreateContainerError")
    words = [*container["command"], *(container.get("args") or [])]
    return [rewrite(expand(word, env), mounts) for word in words]


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value, `$$` a dollar sign; an unknown name stays as it is written."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else known.get(name, match.group(0))

    return _REFERENCE.sub(replace, text)


def rewrite(text: str, mounts: Sequence[Mount]) -> str:
    """The longest mountPath that `text` is or lies below, replaced."""
    for mount in sorted(mounts, key=lambda mount: len(mount.path), reverse=True):
        path = mount.path.rstrip("/")
        if text == path or text.startswith(f"{path}/"):
            return str(mount.real) + text[len(path) :]
    return text


def read_field(pod: Object, path: str, place: Place) -> str:
    """A `fieldRef`. Raises ConfigError."""
    meta: dict[str, Any] = pod["metadata"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((meta.get(subscript.group(1)) or {}).get(subscript.group(2), ""))
    values = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "metadata.labels": _as_lines(meta.get("labels")),
        "metadata.annotations": _as_lines(meta.get("annotations")),
        "spec.nodeName": place.node,
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.podIP": place.ip,
        "status.podIPs": place.ip,
        "status.hostIP": place.host_ip,
        "status.hostIPs": place.host_ip,
    }
    if path not in values:
        raise ConfigError(f"fieldRef {path} is not supported")
    return str(values[path])


def _as_lines(pairs: Mapping[str, str] | None) -> str:
    return "\n".join(f'{name}="{value}"' for name, value in sorted((pairs or {}).items()))


def _value(entry: Object, pod: Object, place: Place, sources: Sources) -> str | None:
    given: Object | None = entry.get("valueFrom")
    if not given:
        return str(entry.get("value") or "")
    if "fieldRef" in given:
        return read_field(pod, given["fieldRef"]["fieldPath"], place)
    if "secretKeyRef" in given:
        return _key(given["secretKeyRef"], "secret", sources.secrets)
    if "configMapKeyRef" in given:
        return _key(given["configMapKeyRef"], "configmap", sources.config_maps)
    raise ConfigError(f"the source of variable {entry['name']} is not supported: {', '.join(given)}")


def _key(reference: Object, kind: str, known: Mapping[str, Mapping[str, str]]) -> str | None:
    name, key = reference["name"], reference["key"]
    if name in known and key in known[name]:
        return known[name][key]
    if reference.get("optional"):
        return None
    missing = f"couldn't find key {key} in {kind} {name}" if name in known else f'{kind} "{name}" not found'
    raise ConfigError(missing)


def _from_source(source: Object, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    kinds = (("secretRef", "secret", sources.secrets), ("configMapRef", "configmap", sources.config_maps))
    for field_name, kind, known in kinds:
        reference = source.get(field_name)
        if reference is None:
            continue
        if reference["name"] not in known and not reference.get("optional"):
            raise ConfigError(f'{kind} "{reference["name"]}" not found')
        return {prefix + key: value for key, value in known.get(reference["name"], {}).items()}
    return {}
