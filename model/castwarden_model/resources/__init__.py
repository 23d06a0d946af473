# SPDX-License-Identifier: Apache-2.0
"""The custom resources. `KINDS` lists them; `crds.py` makes their definitions."""

from .base import API_VERSION, CATEGORY, GROUP, VERSION, Column, Condition, ObjectMeta, Resource, WorkerTemplate
from .channel import Channel, ChannelSpec
from .checks import Checks
from .downloadjob import DownloadJob, DownloadJobSpec
from .monitor import Health, Monitor, MonitorSpec, StreamState

KINDS: tuple[type[Monitor] | type[Channel] | type[DownloadJob], ...] = (Monitor, Channel, DownloadJob)

__all__ = [
    "API_VERSION",
    "CATEGORY",
    "GROUP",
    "KINDS",
    "VERSION",
    "Channel",
    "ChannelSpec",
    "Checks",
    "Column",
    "Condition",
    "DownloadJob",
    "DownloadJobSpec",
    "Health",
    "Monitor",
    "MonitorSpec",
    "ObjectMeta",
    "Resource",
    "StreamState",
    "WorkerTemplate",
]
