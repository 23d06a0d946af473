# SPDX-License-Identifier: Apache-2.0
"""Which Pod watches a Packed Monitor: the lists that shared Pods wait for, and the answer to who may speak for whom.

All from the watch cache: the operator's `status.seat` and `status.podName` are the one truth about seats.
"""

import asyncio
import hashlib
from collections import defaultdict

from castwarden_model.messages import ResourceRef, Seats

from castwarden_gateway.http.problems import Conflict, Unavailable
from castwarden_gateway.kube.cache import Object
from castwarden_gateway.kube.resources import Resources

_Pod = tuple[str, str]  # namespace, name


class FencedOff(Conflict):
    code, title = "fenced", "Another worker has taken over"


class Seating:
    """`list` gives a Pod its Monitors; `require` refuses a worker that is not the one."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._seats: defaultdict[_Pod, dict[str, ResourceRef]] = defaultdict(dict)  # by uid
        self._waiting: defaultdict[_Pod, set[asyncio.Event]] = defaultdict(set)
        self._draining = False
        resources.monitors.cache.subscribe(self._changed)

    def drain(self) -> None:
        """Ends every wait: the workers ask another replica, or come back."""
        self._draining = True
        for pod in list(self._waiting):
            self._wake(pod)

    async def list(self, namespace: str, pod: str, version: str | None, wait: float) -> Seats | None:
        """The Pod's Monitors once the list differs from `version`; None when `wait` seconds have passed."""
        if not self._resources.synced:
            raise Unavailable("The resources are still being listed.", retry_after_seconds=1)
        key, changed = (namespace, pod), asyncio.Event()
        self._waiting[key].add(changed)
        try:
            async with asyncio.timeout(wait):
                while (found := self._of(key)).version == version and not self._draining:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return None
        finally:
            self._waiting[key].discard(changed)
            if not self._waiting[key]:
                del self._waiting[key]
        return found if found.version != version else None

    def require(self, ref: ResourceRef, pod: str, *, shared: bool) -> None:
        """Raises FencedOff unless this Pod is the one; `shared` tells a pool's Pod from a Monitor's own.

        A Monitor's own Pod that starts while the seat is still taken is told to come back: it is next.
        """
        monitor = self._resources.monitors.get(ref.namespace, ref.name) if ref.kind == "Monitor" else None
        if monitor is None:
            if shared and ref.kind != "Monitor":
                raise FencedOff(f"{pod} has no seat for a {ref.kind}.")
            if shared:
                raise Unavailable(f"Monitor {ref.name} is not known here.", retry_after_seconds=1)
            return  # the Pod's labels name it; whether it is gone is not decided here
        seat, holder = monitor.status.seat, monitor.status.pod_name
        if shared and (seat is None or holder != pod):
            raise FencedOff(f"Its seat is {seat}, not in {pod}." if seat else "It has no seat in a shared Pod.")
        if not shared and seat is not None:
            if monitor.spec.placement == "Packed":
                raise FencedOff(f"It has moved to seat {seat}.")
            raise Unavailable(f"Its seat {seat} is not free yet.", retry_after_seconds=1)

    def _of(self, pod: _Pod) -> Seats:
        seats = sorted(self._seats.get(pod, {}).values(), key=lambda ref: (ref.name, ref.uid))
        text = "\n".join(f"{ref.name} {ref.uid}" for ref in seats)
        return Seats(version=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), seats=seats)

    def _changed(self, before: Object | None, after: Object | None) -> None:
        old, new = _place_of(before), _place_of(after)
        if old == new:
            return
        if old is not None:
            pod, ref = old
            del self._seats[pod][ref.uid]
            if not self._seats[pod]:
                del self._seats[pod]
            self._wake(pod)
        if new is not None:
            pod, ref = new
            self._seats[pod][ref.uid] = ref
            self._wake(pod)

    def _wake(self, pod: _Pod) -> None:
        for changed in self._waiting.get(pod, ()):
            changed.set()


def _place_of(monitor: Object | None) -> tuple[_Pod, ResourceRef] | None:
    """The shared Pod that a Monitor has its seat in, and the Monitor."""
    if monitor is None or monitor["metadata"].get("deletionTimestamp"):
        return None
    meta, status = monitor["metadata"], monitor.get("status") or {}
    if not status.get("seat") or not status.get("podName"):
        return None
    ref = ResourceRef(kind="Monitor", namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])
    return (meta["namespace"], status["podName"]), ref
