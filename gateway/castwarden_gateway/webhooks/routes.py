# SPDX-License-Identifier: Apache-2.0
"""All routes of webhooks, in the order in which they are described."""

from castwarden_gateway.http.routes import Routes
from castwarden_gateway.webhooks.delivery_routes import routes as delivery_routes
from castwarden_gateway.webhooks.endpoint_routes import routes as endpoint_routes
from castwarden_gateway.webhooks.replay_routes import routes as replay_routes
from castwarden_gateway.webhooks.statistics_routes import routes as statistics_routes
from castwarden_gateway.webhooks.views import WEBHOOKS

__all__ = ["WEBHOOKS", "routes"]
routes = Routes()
routes.table += [*endpoint_routes, *statistics_routes, *replay_routes, *delivery_routes]
