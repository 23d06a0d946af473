# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: the pool, named statements and migrations. Every store in the gateway builds on this package."""

from castwarden_gateway.db.calls import call
from castwarden_gateway.db.pool import DRIVER_ERRORS, Connection, Database, DatabaseUnavailable, DatabaseUnwritable
from castwarden_gateway.db.sql import Statements, statements

__all__ = [
    "DRIVER_ERRORS",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "DatabaseUnwritable",
    "Statements",
    "call",
    "statements",
]
