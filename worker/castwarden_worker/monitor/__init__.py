# SPDX-License-Identifier: Apache-2.0
"""Looks at one live stream: what arrives, how it looks, how it sounds. `watch.Watch` is the door."""
