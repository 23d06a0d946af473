# SPDX-License-Identifier: Apache-2.0
"""The vocabulary that every part shares: resources, events, reports. Imports nothing of ours."""

__version__ = "0.1.0"
