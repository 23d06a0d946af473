# SPDX-License-Identifier: Apache-2.0
"""A stand-in for one machine: the part of the Kubernetes API that Castwarden and kubectl use, kept in PostgreSQL.

Not a cluster: one process, one administrator, no role-based access control, no admission webhooks.
"""
