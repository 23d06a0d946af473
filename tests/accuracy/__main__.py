# SPDX-License-Identifier: Apache-2.0
"""`make accuracy`: plays the whole corpus and prints how right the checks were. Exit code 1 unless all was right."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from fnmatch import fnmatch
from multiprocessing import get_context
from pathlib import Path

from . import report
from .corpus import BY_NAME, transports
from .jobs import Job, run
from .produce import cpus
from .report import Result
from .rule import Verdict

_DEPTHS = ("Adaptive", "Full")


def main() -> int:
    given = _arguments()
    jobs = list(_jobs(given.only, given.depth or _DEPTHS))
    began = time.monotonic()
    with ProcessPoolExecutor(cpus(), mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        results = [_shown(job, future, len(jobs)) for job, future in zip(jobs, enumerate(futures, 1), strict=True)]
    print("\n".join(report.lines(results)))
    print(f"{len(jobs)} runs in {time.monotonic() - began:.0f} s: {'right' if report.passed(results) else 'WRONG'}")
    if given.json:
        Path(given.json).write_text(json.dumps(report.data(results), indent=2))
    return 0 if jobs and report.passed(results) else 1


def _shown(job: Job, numbered: "tuple[int, Future[Result]]", of: int) -> Result:
    """Waits for a run; says how far it is, and what is wrong, at once. A run that crashed is wrong."""
    at, future = numbered
    error = future.exception()
    result = future.result() if error is None else Result(*job, Verdict(), (f"crashed: {error!r}",))
    if result.part != "ffmpeg" and not result.right:
        print(f"[{at}/{of}] wrong: {result.part}, {result.name}", file=sys.stderr, flush=True)
    elif at % 50 == 0:
        print(f"[{at}/{of}]", file=sys.stderr, flush=True)
    return result


def _jobs(only: str | None, depths: Sequence[str]) -> Iterator[Job]:
    """The longest first, so that no processor waits at the end."""
    pattern = f"*{only}*" if only else "*"
    if fnmatch("clean", pattern):
        yield "clean", "Adaptive"
    for part in (*depths, "ffmpeg"):
        yield from ((part, name) for name in BY_NAME if fnmatch(name, pattern))
    yield from (("transport", name) for name in transports() if fnmatch(name, pattern))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make accuracy", description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", help="cases whose name contains this (* and ? may be used)")
    parser.add_argument("--depth", action="append", choices=("Adaptive", "Keyframes", "Full"), help="may be repeated")
    parser.add_argument("--json", metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
