# SPDX-License-Identifier: Apache-2.0
"""A child process that takes as much memory as it is asked to, and then says so."""

from collections.abc import Callable

from castwarden_worker.children import Json, serve


def work(request: Json, send: Callable[[Json], None]) -> None:
    send({"taken": len(bytearray(request["bytes"]))})


if __name__ == "__main__":
    serve("greedy", work)
