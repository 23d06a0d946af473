# SPDX-License-Identifier: Apache-2.0
"""Why a report is not taken, split by what its sender should do."""


class Fenced(Exception):
    """Another worker has taken over; this one must end."""


class InvalidReport(Exception):
    """The report can never be taken; sending it again is of no use."""
