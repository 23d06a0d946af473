# SPDX-License-Identifier: Apache-2.0
"""Events: what happened to a tenant's resources, recorded once and fanned out to webhooks in the same transaction."""
