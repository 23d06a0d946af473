# SPDX-License-Identifier: Apache-2.0
"""Channels over REST, and the videos that their feeds told of."""
