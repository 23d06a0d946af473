# SPDX-License-Identifier: Apache-2.0
"""Who changed what by the REST API, and from where."""
