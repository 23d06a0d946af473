# SPDX-License-Identifier: Apache-2.0
"""The newest look of each Monitor: a thumbnail and ten minutes of measurements. May be lost; the next comes soon."""
