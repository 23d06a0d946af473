# SPDX-License-Identifier: Apache-2.0
"""Tenants, their API keys, and who a request comes from."""
