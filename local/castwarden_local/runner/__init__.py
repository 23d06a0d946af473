# SPDX-License-Identifier: Apache-2.0
"""The Pod runner: the kubelet's part on one machine. Containers are child processes of this one; images are ignored.

What a Pod cannot have here: mounts (see `volumes.py`), images, resource limits, security contexts, host namespaces,
sidecar (restartable init) containers, lifecycle hooks, ephemeral containers, a ServiceAccount's default token.
"""
