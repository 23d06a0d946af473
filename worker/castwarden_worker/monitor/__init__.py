# SPDX-License-Identifier: Apache-2.0
"""Watches one live stream: what arrives, how it looks, how it sounds. `watch.Watch` is the door.

A look is one try to find the stream at its source (`looks.py`), a probe one load of a rendition that is not watched.
Pictures are examined by decoding them (`sight/`); what the checks are shown is what was seen (`seen.py`). People get
glances: a small picture and measurements (`glance.py`), which are called looks on the wire alone.
"""
