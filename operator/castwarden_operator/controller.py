# SPDX-License-Identifier: Apache-2.0
"""One kind's controller: takes a key from its queue, plans with the pure reconciler, applies, reports in `status`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn

from castwarden_base.logs import get_logger
from castwarden_model.faults import sentence
from castwarden_model.resources import Channel, DownloadJob, Monitor
from pydantic import ValidationError

from .alerts import Alerts
from .apply import Applier
from .cache import Cache
from .errors import ApiError, NameTakenError, RetryError
from .kinds import Kind, Object, Ref
from .reconcile.plan import Is, Plan, conditions, not_ready
from .settings import Settings
from .status import summarise

Model = type[Monitor] | type[Channel] | type[DownloadJob]
Reconciler = Callable[[Any, Sequence[Object], datetime, Settings], Plan]

log = get_logger(__name__)

_ROUNDS = 3  # a CronJob must exist before the Job made from it; nothing needs more


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Controller:
    """The handler of one WorkQueue."""

    def __init__(
        self,
        kind: Kind,
        model: Model,
        reconcile: Reconciler,
        cache: Cache,
        applier: Applier,
        settings: Settings,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.kind = kind
        self._model = model
        self._reconcile = reconcile
        self._cache = cache
        self._applier = applier
        self._settings = settings
        self._now = now
        self._alerts = Alerts()

    async def handle(self, ref: Ref) -> float | None:
        """Bring the children of one resource to its spec. Returns when to look again; raises RetryError to back off."""
        plan = Plan()
        resource: Object = {}
        for _ in range(_ROUNDS):
            found = self._cache.get(ref)
            if found is None or found["metadata"].get("deletionTimestamp"):
                self._alerts.forget(ref)
                return None  # the garbage collector removes the children
            resource = found
            for turned in self._alerts.news(ref, found):
                await self._applier.tell(self.kind, found, turned)
            plan = self._plan(resource, self._cache.children(ref))
            try:
                for action in plan.actions:
                    await self._applier.act(action)
            except (ApiError, NameTakenError) as error:
                await self._refused(resource, plan, error)
            if not plan.actions:
                break
            if any(condition.warning for condition in plan.conditions):
                await self._report(resource, plan)  # the next round may find all well; why it acted must be told first
        if not plan.quiet:
            await self._report(resource, plan)
        return plan.again_in

    def _plan(self, resource: Object, children: Sequence[Object]) -> Plan:
        try:
            model = self._model.model_validate(resource)
        except ValidationError as error:
            return Plan(conditions=conditions(not_ready("Invalid", _faults(error), warning=True)))
        plan = self._reconcile(model, children, self._now(), self._settings)
        useful = tuple(action for action in plan.actions if not self._applier.is_futile(action))
        return replace(plan, actions=useful)

    async def _refused(self, resource: Object, plan: Plan, error: ApiError | NameTakenError) -> NoReturn:
        """Say in `status` what the API server said, and back off."""
        why = refusal(error)
        if why is not None:
            known = {key: value for key, value in plan.fields.items() if key in (resource.get("status") or {})}
            await self._report(resource, Plan(conditions=conditions(why), fields=known))
        raise RetryError(str(error), after=getattr(error, "retry_after", 0.0)) from error

    async def _report(self, resource: Object, plan: Plan) -> None:
        summary = summarise(resource, plan.conditions, plan.fields, self._now())
        if not summary.changed:
            return
        try:
            await self._applier.write_status(self.kind, resource, summary.status)
        except ApiError as error:
            if error.status == 404:
                return  # deleted meanwhile; the watch will say so
            raise RetryError(f"status not written: {error}", after=error.retry_after) from error
        if summary.transition is not None:
            await self._applier.tell(self.kind, resource, summary.transition)


def refusal(error: ApiError | NameTakenError) -> Is | None:
    """The Ready condition for what the API server refuses; None for what is its own trouble and passes."""
    if isinstance(error, NameTakenError):
        return not_ready("NameTaken", str(error), warning=True)
    if not error.refused:
        return None
    quota = error.status == 403 and "exceeded quota" in str(error)
    reason = "QuotaExceeded" if quota else {403: "Forbidden", 422: "Invalid"}.get(error.status, "Refused")
    return not_ready(reason, f"the API server refused: {error}", warning=True)


def _faults(error: ValidationError) -> str:
    faults = (f"{'.'.join(str(part) for part in item['loc'])}: {sentence(item)}" for item in error.errors())
    return "; ".join(faults)
