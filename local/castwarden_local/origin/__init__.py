# SPDX-License-Identifier: Apache-2.0
"""Origins on loopback for the demo, the tests and the benchmarks: a live HLS stream, a feed, a media file."""
