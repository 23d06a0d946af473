# SPDX-License-Identifier: Apache-2.0
"""What a worker that watches HLS has in memory."""

import subprocess
import sys

LOADED = "import sys, castwarden_worker.monitor.role; print(*sys.modules, sep='\\n')"


def test_a_worker_has_nothing_of_dash_in_memory_before_it_meets_an_mpd() -> None:
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=60)
    modules = loaded.stdout.split()
    assert "castwarden_worker.monitor.hls.loader" in modules
    assert [name for name in modules if name.startswith(("castwarden_worker.monitor.dash.", "defusedxml"))] == []
