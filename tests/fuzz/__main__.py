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
_SLICE = 300  # seconds
_LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=65536", "-print_final_stats=1", "-verbosity=0")


def main() -> None:
    """Fuzzes one target, or one after the other, and exits with 1 when one does not survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="?", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="time for each target")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)  # this process is a slice that grows it
    arguments = parser.parse_args()
    if arguments.corpus:
        _fuzz(arguments.target, TARGETS[arguments.target], arguments.seconds, arguments.corpus)
    names = [arguments.target] if arguments.target else list(TARGETS)
    failed = [name for name in names if not _survives(name, arguments.seconds)]
    sys.stdout.write(f"{len(names) - len(failed)} of {len(names)} survived {' '.join(failed)}\n")
    sys.exit(1 if failed else 0)


def _survives(name: str, seconds: int) -> bool:
    """Processes one after the other on one corpus: comparing numpy arrays under atheris takes memory for good."""
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate([*TARGETS[name].seeds(), *_regressions(name)]):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        command = [sys.executable, "-m", "tests.fuzz", name, "--corpus", corpus, "--seconds"]
        slices = [_SLICE] * (seconds // _SLICE) + [seconds % _SLICE]
        return not any(os.spawnv(os.P_WAIT, command[0], [*command, str(part)]) for part in slices if part)


def _regressions(name: str) -> list[bytes]:
    found = REGRESSIONS / name
    found.mkdir(parents=True, exist_ok=True)
    return [path.read_bytes() for path in found.iterdir()]


def _fuzz(name: str, target: Target, seconds: int, corpus: Path) -> None:
    """Does not return."""

    def one(data: bytes) -> None:
        try:
            target.run(data)
        except target.allowed:
            return

    options = [*_LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={REGRESSIONS / name}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
