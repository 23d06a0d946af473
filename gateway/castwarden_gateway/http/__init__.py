# SPDX-License-Identifier: Apache-2.0
"""HTTP plumbing shared by all subjects: the route table, problems, cursors, limits. Knows no subject."""
