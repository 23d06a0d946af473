# SPDX-License-Identifier: Apache-2.0
"""Role monitors: one process watches every Monitor that has a seat in its Pod."""
