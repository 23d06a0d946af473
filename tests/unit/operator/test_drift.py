# SPDX-License-Identifier: Apache-2.0
"""What counts as drift."""

import pytest
from castwarden_operator.reconcile.drift import drifted


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "Z"}, {"name": "A", "value": "1"}]}),
        ({"emptyDir": {}}, {"emptyDir": None}),
        ({"suspend": False}, {}),
        ({"limits": {"cpu": 2, "memory": "1024Mi"}}, {"limits": {"cpu": "2", "memory": "1Gi"}}),
        ({"requests": {"cpu": "0.5"}}, {"requests": {"cpu": "500m"}}),
        ({"command": ["a", "b"]}, {"command": ["a", "b"]}),
    ],
)
def test_additions_defaults_and_other_spellings_are_no_drift(wanted: object, observed: object) -> None:
    assert not drifted(wanted, observed)


@pytest.mark.parametrize(
    ("wanted", "observed"),
    [
        ({"a": 1}, {}),
        ({"a": {"b": 1}}, {"a": None}),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "2"}]}),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A", "value": "2"}]}),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": []}),
        ({"command": ["a", "b"]}, {"command": ["b", "a"]}),
        ({"command": ["a"]}, {"command": ["a", "b"]}),
        ({"suspend": False}, {"suspend": True}),
        ({"suspend": True}, {}),
        ({"limits": {"cpu": 2}}, {"limits": {"cpu": "3"}}),
        ({"limits": {"cpu": 2}}, {"limits": {}}),
        ({"ownerReferences": [{"uid": "a"}]}, {"ownerReferences": [{"uid": "b"}]}),
    ],
)
def test_what_is_missing_or_different_is_drift(wanted: object, observed: object) -> None:
    assert drifted(wanted, observed)
