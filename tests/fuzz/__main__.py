# SPDX-License-Identifier: Apache-2.0
"""Coverage-guided fuzzing of the parsers with atheris: `make fuzz`, or `python -m tests.fuzz TARGET --seconds N`.

An input that a target does not survive is written to tests/fuzz/regressions/TARGET/ and is a test case from then on.
"""

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(
    include=["castwarden_worker.monitor", "castwarden_worker.poll.feed", "castwarden_worker.rtsp_gate"]
):
    from tests.fuzz.targets import TARGETS, Target

REGRESSIONS = Path(__file__).parent / "regressions"
_LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1", "-verbosity=0")


def main() -> None:
    """Fuzzes one target in this process, or each in a process of its own. Exits with 1 when one does not survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="time for each target")
    arguments = parser.parse_args()
    if arguments.target is None:
        command = [sys.executable, "-m", "tests.fuzz"]
        failed = [
            name
            for name in TARGETS
            if os.spawnv(os.P_WAIT, command[0], [*command, name, "--seconds", str(arguments.seconds)])
        ]
        sys.stdout.write(f"{len(TARGETS) - len(failed)} of {len(TARGETS)} survived {' '.join(failed)}\n")
        sys.exit(1 if failed else 0)
    _fuzz(arguments.target, TARGETS[arguments.target], arguments.seconds)


def _fuzz(name: str, target: Target, seconds: int) -> None:
    found = REGRESSIONS / name
    found.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate([*target.seeds(), *(path.read_bytes() for path in found.iterdir())]):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)

        def one(data: bytes) -> None:
            try:
                target.run(data)
            except target.allowed:
                return

        options = [*_LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={found}/"]
        atheris.Setup([sys.argv[0], *options, corpus], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
