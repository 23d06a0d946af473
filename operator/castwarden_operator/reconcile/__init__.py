# SPDX-License-Identifier: Apache-2.0
"""One pure function per kind: (resource, observed children, now, settings) to a Plan. No I/O, no clock."""
