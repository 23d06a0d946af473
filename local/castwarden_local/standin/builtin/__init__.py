# SPDX-License-Identifier: Apache-2.0
"""The kinds that every server has: their schemas, defaults and rules."""
