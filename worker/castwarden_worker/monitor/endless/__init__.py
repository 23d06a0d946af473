# SPDX-License-Identifier: Apache-2.0
"""Streams without a playlist: where they come from, and how they are cut."""
