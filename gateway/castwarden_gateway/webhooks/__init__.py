# SPDX-License-Identifier: Apache-2.0
"""Webhooks: who wants which event (`fanout`), and the engine that delivers each until it arrives or is parked."""
