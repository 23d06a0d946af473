# SPDX-License-Identifier: Apache-2.0
"""The internal listener: workers fetch their assignment and report what they saw."""
