# SPDX-License-Identifier: Apache-2.0
"""What makes the spec of a Pod, or of the Pod template of a Job, invalid."""

import re
from decimal import Decimal
from typing import Any

from castwarden_local.standin.errors import Cause
from castwarden_local.standin.validation.names import label_key_problems, label_problems, label_value_problems
from castwarden_local.standin.validation.quantities import parse_quantity
from castwarden_local.standin.validation.schema_checks import duplicate, invalid, required, unsupported

_VARIABLE = re.compile(r"[ -<>-~]+")
_VARIABLE_RULE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SELECTOR_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_RULED = "requiredDuringSchedulingIgnoredDuringExecution"


def check_pod_spec(spec: dict[str, Any], path: str) -> list[Cause]:
    """What is wrong with a Pod's or a template's spec."""
    causes = []
    if not spec.get("containers"):
        causes.append(required(f"{path}.containers"))
    volumes = {volume.get("name") for volume in spec.get("volumes") or []}
    causes += _check_names(spec.get("volumes") or [], f"{path}.volumes")
    for field in ("initContainers", "containers"):
        containers = spec.get(field) or []
        causes += _check_names(containers, f"{path}.{field}")
        for index, container in enumerate(containers):
            causes += _check_container(container, f"{path}.{field}[{index}]", volumes)
    causes += _check_labels(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    causes += _check_affinity(spec.get("affinity") or {}, f"{path}.affinity")
    for index, toleration in enumerate(spec.get("tolerations") or []):
        causes += _check_toleration(toleration, f"{path}.tolerations[{index}]")
    policies = ("Always", "OnFailure", "Never")
    if spec.get("restartPolicy") not in policies:
        causes.append(unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), policies))
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        value = spec["terminationGracePeriodSeconds"]
        causes.append(invalid(f"{path}.terminationGracePeriodSeconds", value, "must be greater than or equal to 0"))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and deadline < 1:
        causes.append(invalid(f"{path}.activeDeadlineSeconds", deadline, "must be between 1 and 2147483647, inclusive"))
    return causes


def _check_names(items: list[dict[str, Any]], path: str) -> list[Cause]:
    causes = []
    seen = set()
    for index, item in enumerate(items):
        name = item.get("name") or ""
        where = f"{path}[{index}].name"
        if not name:
            causes.append(required(where))
        elif name in seen:
            causes.append(duplicate(where, name))
        else:
            causes += [invalid(where, name, problem) for problem in label_problems(name)]
        seen.add(name)
    return causes


def _check_container(container: dict[str, Any], path: str, volumes: set[Any]) -> list[Cause]:
    causes = []
    if not container.get("image"):
        causes.append(required(f"{path}.image"))
    policies = ("Always", "IfNotPresent", "Never")
    if container["imagePullPolicy"] not in policies:
        causes.append(unsupported(f"{path}.imagePullPolicy", container["imagePullPolicy"], policies))
    for index, variable in enumerate(container.get("env") or []):
        name, where = variable.get("name") or "", f"{path}.env[{index}].name"
        if not name:
            causes.append(required(where))
        elif not _VARIABLE.fullmatch(name):
            causes.append(invalid(where, name, _VARIABLE_RULE))
    for index, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{path}.volumeMounts[{index}]"
        if not mount.get("mountPath"):
            causes.append(required(f"{where}.mountPath"))
        if mount.get("name") not in volumes:
            causes.append(Cause(f"{where}.name", f'Not found: "{mount.get("name", "")}"', "FieldValueNotFound"))
    return causes + _check_resources(container.get("resources") or {}, f"{path}.resources")


def _check_labels(labels: dict[str, str], path: str) -> list[Cause]:
    causes = []
    for key, value in labels.items():
        causes += [invalid(path, key, problem) for problem in label_key_problems(key)]
        causes += [invalid(path, value, problem) for problem in label_value_problems(value)]
    return causes


def _check_resources(resources: dict[str, Any], path: str) -> list[Cause]:
    causes = []
    limits = {name: parse_quantity(str(amount)) for name, amount in (resources.get("limits") or {}).items()}
    requests = {name: parse_quantity(str(amount)) for name, amount in (resources.get("requests") or {}).items()}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if amount < Decimal(0):
                shown = str(resources[field][name])
                causes.append(invalid(f"{path}.{field}[{name}]", shown, "must be greater than or equal to 0"))
    for name, amount in requests.items():
        if name in limits and amount > limits[name]:
            detail = f"must be less than or equal to {name} limit of {resources['limits'][name]}"
            causes.append(invalid(f"{path}.requests", str(resources["requests"][name]), detail))
    return causes


def _check_toleration(toleration: dict[str, Any], path: str) -> list[Cause]:
    key, value = toleration.get("key") or "", toleration.get("value") or ""
    operator, effect = toleration.get("operator") or "Equal", toleration.get("effect") or ""
    causes = [invalid(f"{path}.key", key, problem) for problem in (label_key_problems(key) if key else [])]
    if not key and operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        causes.append(invalid(f"{path}.operator", operator, detail))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        causes.append(invalid(f"{path}.effect", effect, detail))
    if operator not in ("Equal", "Exists"):
        causes.append(unsupported(f"{path}.operator", operator, ("Equal", "Exists")))
    elif operator == "Exists" and value:
        causes.append(invalid(f"{path}.operator", toleration, "value must be empty when `operator` is 'Exists'"))
    else:
        causes += [invalid(f"{path}.operator", value, problem) for problem in label_value_problems(value)]
    if effect and effect not in _EFFECTS:
        causes.append(unsupported(f"{path}.effect", effect, _EFFECTS))
    return causes


def _check_affinity(affinity: dict[str, Any], path: str) -> list[Cause]:
    causes = []
    terms = ((affinity.get("nodeAffinity") or {}).get(_RULED) or {}).get("nodeSelectorTerms") or []
    for index, term in enumerate(terms):
        for number, expression in enumerate(term.get("matchExpressions") or []):
            where = f"{path}.nodeAffinity.{_RULED}.nodeSelectorTerms[{index}].matchExpressions[{number}]"
            causes += _check_expression(expression, where)
    return causes


def _check_expression(expression: dict[str, Any], path: str) -> list[Cause]:
    operator, values = expression.get("operator") or "", expression.get("values") or []
    key = expression.get("key") or ""
    causes = [invalid(f"{path}.key", key, problem) for problem in label_key_problems(key)]
    if operator not in _SELECTOR_OPERATORS:
        causes.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif operator in ("In", "NotIn") and not values:
        causes.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        causes.append(Cause(f"{path}.values", f"Forbidden: {detail}", "FieldValueForbidden"))
    return causes
