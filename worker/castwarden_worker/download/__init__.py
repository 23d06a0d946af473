# SPDX-License-Identifier: Apache-2.0
"""Role download: one media file, fetched once, put in place atomically."""
