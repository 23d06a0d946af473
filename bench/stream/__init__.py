# SPDX-License-Identifier: Apache-2.0
"""What watching live streams costs and how soon it tells, beside ffmpeg in the same run: `python -m bench.stream`."""
