# SPDX-License-Identifier: Apache-2.0
"""Which scopes a key may give away."""

from uuid import UUID

import pytest
from castwarden_gateway.tenants.principal import Principal, Tenant

TENANT = Tenant(UUID(int=1), "acme", "Acme", "acme", 10)


@pytest.mark.parametrize(
    ("held", "given", "may"),
    [
        (("monitors:*", "events:read"), ["monitors:read", "events:read"], True),
        (("monitors:*", "events:read"), ["events:*"], False),
        (("*",), ["api_keys:write", "*"], True),
        (("*",), ["admin"], False),
        (("admin",), ["monitors:read"], False),
        ((), [], True),
        ((), ["monitors:read"], False),
    ],
)
def test_nobody_gives_away_more_than_they_hold(held: tuple[str, ...], given: list[str], may: bool) -> None:
    assert Principal(TENANT, UUID(int=2), held).may_grant(given) is may
