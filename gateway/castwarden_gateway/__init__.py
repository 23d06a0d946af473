# SPDX-License-Identifier: Apache-2.0
"""REST, the internal API, PostgreSQL and webhooks."""
