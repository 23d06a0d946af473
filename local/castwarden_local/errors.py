# SPDX-License-Identifier: Apache-2.0
"""What can stop the local stack from starting. The text is for the person at the terminal: one line, with the cure."""


class LocalError(Exception):
    """Base: shown as one line, exit code 1."""


class AlreadyRunning(LocalError):
    """Another `castwarden up` holds the data directory."""


class PortTaken(LocalError):
    """Something else listens on a port that is needed."""


class DiskFull(LocalError):
    """There is not enough room for the database."""


class StartFailed(LocalError):
    """A part did not become ready; the message ends with the last lines of its log."""
