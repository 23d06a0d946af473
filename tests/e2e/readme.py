# SPDX-License-Identifier: Apache-2.0
"""README.md as a test reads it: its fenced blocks, and its shell commands one by one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
STREAM = "https://example.com/live/index.m3u8"
CLIP = "https://example.com/media/clip.mp4"
HOOK = "https://example.com/hook"


def blocks(language: str) -> list[str]:
    """The fenced blocks in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every shell command, in order; a line that ends with a backslash goes on."""
    joined = "".join(blocks("sh")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip()]
