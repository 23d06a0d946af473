# SPDX-License-Identifier: Apache-2.0
"""What there is: objects and their history in PostgreSQL, how they are selected and how changes are followed."""
