# SPDX-License-Identifier: Apache-2.0
"""One worker process that watches a stream `count` times: `python -m bench.stream.watchers URL DEPTH COUNT [SECONDS]`.

It does what the role monitor does with a stream, and with many what a shared Pod does, without a gateway to report to.
It prints one line per fact: Unix time, condition, state. SECONDS is the time after which black, freeze and silence are
raised.
"""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

sys.modules["rich"] = None  # type: ignore[assignment]  # the worker's image does not have it; structlog would load it

import castwarden_worker.monitor.role  # noqa: E402, F401 - all that the role loads counts for its memory
from castwarden_base.http import outbound_session  # noqa: E402
from castwarden_base.run import run  # noqa: E402
from castwarden_model.messages import Occurrence, Transition  # noqa: E402
from castwarden_model.resources.monitor import MonitorSpec  # noqa: E402
from castwarden_worker.monitor.watch import Source, Watch  # noqa: E402
from castwarden_worker.settings import PackedSettings  # noqa: E402


async def main(url: str, depth: str, count: int, seconds: float | None) -> int:
    raised = {"raiseAfter": f"{seconds or 30:g}s"}
    checks = dict.fromkeys(("black", "freeze", "silence"), raised) if seconds else {}
    spec = MonitorSpec.model_validate({"source": {"url": url}, "depth": depth, "checks": checks})
    if count > 1:
        threads = PackedSettings.model_fields["threads"].default
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="decode"))
    async with outbound_session([ip_network("127.0.0.0/8")], total=60, limit=0, limit_per_host=0) as session:
        watches = [Watch(session, spec, _tell, whole=True) for _ in range(count)]
        await asyncio.gather(*(watch.run(Source(url)) for watch in watches))
    return 0


async def _tell(fact: Transition | Occurrence) -> None:
    words = f"{fact.condition} {fact.state}" if isinstance(fact, Transition) else fact.type
    print(time.time(), words, flush=True)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(run(main(given[0], given[1], int(given[2]), float(given[3]) if len(given) > 3 else None)))
