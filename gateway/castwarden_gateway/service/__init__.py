# SPDX-License-Identifier: Apache-2.0
"""The gateway itself: is it well, and how is it measured."""
