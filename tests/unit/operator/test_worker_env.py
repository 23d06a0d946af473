# SPDX-License-Identifier: Apache-2.0
"""What a tenant writes into a template reaches the worker, except for what decides whom it obeys or may reach."""

import pytest
from castwarden_model.resources import Monitor
from castwarden_operator.reconcile.monitor import pod_for
from castwarden_operator.settings import Settings

SETTINGS = Settings(gateway_url="http://gateway:8081")


def environment(*variables: tuple[str, str]) -> dict[str, str]:
    template = {"env": [{"name": name, "value": value} for name, value in variables]}
    spec = {"source": {"url": "http://a.example/x.m3u8"}, "template": template}
    monitor = Monitor.model_validate({"metadata": {"name": "a", "namespace": "n", "uid": "u"}, "spec": spec})
    container = pod_for(monitor, SETTINGS)["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_an_ordinary_variable_is_passed_on() -> None:
    assert environment(("LANG", "C.UTF-8"))["LANG"] == "C.UTF-8"


@pytest.mark.parametrize(
    "name",
    [
        "CASTWARDEN_OUTBOUND_ALLOW",
        "castwarden_outbound_allow",
        "CASTWARDEN_OUTBOUND_ALLOW_FILE",
        "Castwarden_Gateway_Url",
        "INTERNAL_API_KEY",
        "POD_IP",
        "LD_PRELOAD",
        "PYTHONPATH",
        "PATH",
    ],
)
def test_a_reserved_variable_is_left_out_in_any_spelling(name: str) -> None:
    assert "forged" not in environment((name, "forged")).values()
