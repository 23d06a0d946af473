# SPDX-License-Identifier: Apache-2.0
"""What there is: groups, versions and resources, in the old form (one call each) and the aggregated one."""

from collections.abc import Iterable
from typing import Any

from castwarden_local.standin.http.reviews import QUESTIONS, SUBRESOURCES
from castwarden_local.standin.resources import Registry, Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERSION = "v1.35.0+castwarden"
_STATUS_VERBS = ["get", "patch", "update"]


class Discovery:
    """Documents about the registry as it is now."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def versions(self) -> dict[str, Any]:
        """`/api`."""
        return {"kind": "APIVersions", "apiVersion": "v1", "versions": ["v1"], "serverAddressByClientCIDRs": []}

    def groups(self) -> dict[str, Any]:
        """`/apis`."""
        found = [self._group(group) for group in self._versions() if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}

    def group(self, name: str) -> dict[str, Any] | None:
        """`/apis/GROUP`."""
        if not name or name not in self._versions():
            return None
        return {"kind": "APIGroup", "apiVersion": "v1"} | self._group(name)

    def resources(self, group: str, version: str) -> dict[str, Any] | None:
        """`/api/v1` and `/apis/GROUP/VERSION`."""
        if version not in self._versions().get(group, []):
            return None
        listed: list[dict[str, Any]] = []
        for resource in self._of(group, version):
            listed.append(_listed(resource))
            listed += [_sub(resource, name, kind, verbs) for name, kind, verbs in _subresources(resource)]
        group_version = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}

    def aggregated(self, *, core: bool) -> dict[str, Any]:
        """`/api` and `/apis` for clients that ask for everything at once."""
        items = []
        for group, versions in self._versions().items():
            if bool(group) == core:
                continue
            described = [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [_aggregated(resource) for resource in self._of(group, version)],
                }
                for version in versions
            ]
            items.append({"metadata": {"name": group} if group else {}, "versions": described})
        head = {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}}
        return head | {"items": items}

    def _all(self) -> list[Resource]:
        return [*self._registry.all(), *QUESTIONS]

    def _of(self, group: str, version: str) -> list[Resource]:
        found = [each for each in self._all() if (each.gvr.group, each.gvr.version) == (group, version)]
        return sorted(found, key=lambda each: each.gvr.plural)

    def _versions(self) -> dict[str, list[str]]:
        """Versions by group, the preferred one first: stable before beta before alpha, newest first."""
        found: dict[str, set[str]] = {}
        for resource in self._all():
            found.setdefault(resource.gvr.group, set()).add(resource.gvr.version)
        return {group: sorted(versions, key=_priority) for group, versions in sorted(found.items())}

    def _group(self, name: str) -> dict[str, Any]:
        listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in self._versions()[name]]
        return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _priority(version: str) -> tuple[int, list[int], str]:
    stage = 0 if version.lstrip("v").isdigit() else 1 if "beta" in version else 2 if "alpha" in version else 3
    numbers = "".join(char if char.isdigit() else " " for char in version).split()
    return stage, [-int(number) for number in numbers], version


def _listed(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": resource.gvr.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    return entry | _aliases(resource)


def _aliases(resource: Resource) -> dict[str, Any]:
    found = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    return {key: value for key, value in found.items() if value}


def _sub(resource: Resource, name: str, kind: Resource, verbs: Iterable[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"{resource.gvr.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind.kind,
        "verbs": list(verbs),
    }
    if kind.gvr.group != resource.gvr.group:
        entry |= {"group": kind.gvr.group, "version": kind.gvr.version}
    return entry


def _subresources(resource: Resource) -> list[tuple[str, Resource, list[str]]]:
    found = [("status", resource, _STATUS_VERBS)] if resource.has_status else []
    if resource.gvr.plural == "pods" and not resource.gvr.group:
        found += [("log", resource, ["get"]), ("binding", resource, ["create"])]
    found += [(name, kind, ["create"]) for (gvr, name), kind in SUBRESOURCES.items() if gvr == resource.gvr]
    return found


def _aggregated(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "resource": resource.gvr.plural,
        "responseKind": _response_kind(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    subs = [
        {"subresource": name, "responseKind": _response_kind(kind), "verbs": verbs}
        for name, kind, verbs in _subresources(resource)
    ]
    return entry | _aliases(resource) | ({"subresources": subs} if subs else {})


def _response_kind(resource: Resource) -> dict[str, str]:
    return {"group": resource.gvr.group, "version": resource.gvr.version, "kind": resource.kind}
