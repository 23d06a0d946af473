# SPDX-License-Identifier: Apache-2.0
"""Watches streams, polls feeds, downloads media; reports what it saw to the gateway."""
