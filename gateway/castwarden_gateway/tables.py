# SPDX-License-Identifier: Apache-2.0
"""Every route of the gateway, by who may ask, and the description made of those that everybody meets."""

from functools import cache

from castwarden_gateway.audit.routes import routes as audit_routes
from castwarden_gateway.channels.routes import routes as channel_routes
from castwarden_gateway.downloads.routes import routes as download_routes
from castwarden_gateway.events.routes import routes as event_routes
from castwarden_gateway.http.routes import as_json
from castwarden_gateway.internal.extractions import routes as extraction_routes
from castwarden_gateway.internal.routes import routes as internal_routes
from castwarden_gateway.looks.routes import internal_routes as look_reports
from castwarden_gateway.looks.routes import routes as look_routes
from castwarden_gateway.monitors.routes import routes as monitor_routes
from castwarden_gateway.openapi.document import document
from castwarden_gateway.openapi.routes import routes as description_routes
from castwarden_gateway.service.routes import routes as service_routes
from castwarden_gateway.tenants.routes import routes as tenant_routes
from castwarden_gateway.webhooks.routes import routes as webhook_routes

PUBLIC_ROUTES = (
    monitor_routes,
    look_routes,
    channel_routes,
    download_routes,
    event_routes,
    webhook_routes,
    tenant_routes,
    audit_routes,
)
"""With an API key."""
OPEN_ROUTES = (service_routes, description_routes)
"""Without one."""
DESCRIBED_ROUTES = (*PUBLIC_ROUTES, *OPEN_ROUTES)
INTERNAL_ROUTES = (internal_routes, look_reports, extraction_routes)
"""With a worker's token, on a listener of their own."""


@cache
def description() -> bytes:
    """The OpenAPI document of the public listener."""
    return as_json(document(route for table in DESCRIBED_ROUTES for route in table))
