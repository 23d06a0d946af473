# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes API: a thin client, a watch cache from which all reads come, and the writer of `status`."""
