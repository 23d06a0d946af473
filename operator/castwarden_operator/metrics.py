# SPDX-License-Identifier: Apache-2.0
"""The operator's metrics, under the names that controller-runtime uses, so that its dashboards and alerts work."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_QUEUE_BUCKETS = (1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0)
_RECONCILE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """All series of one operator process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        queue, controller = ["name"], ["controller"]
        self.depth = Gauge("workqueue_depth", "Keys waiting in the queue.", queue, registry=registry)
        self.adds = Counter("workqueue_adds", "Keys added to the queue.", queue, registry=registry)
        self.retries = Counter("workqueue_retries", "Keys added again after a failure.", queue, registry=registry)
        self.queue_duration = Histogram(
            "workqueue_queue_duration_seconds",
            "How long a key waited before it was handled.",
            queue,
            buckets=_QUEUE_BUCKETS,
            registry=registry,
        )
        self.work_duration = Histogram(
            "workqueue_work_duration_seconds",
            "How long handling a key took.",
            queue,
            buckets=_QUEUE_BUCKETS,
            registry=registry,
        )
        self.unfinished_work = Gauge(
            "workqueue_unfinished_work_seconds", "Time spent on keys still being handled.", queue, registry=registry
        )
        self.longest_running = Gauge(
            "workqueue_longest_running_processor_seconds",
            "Age of the key that has been handled longest.",
            queue,
            registry=registry,
        )
        self.reconciles = Counter(
            "controller_runtime_reconcile",
            "Reconciles by result: success, error, requeue_after.",
            ["controller", "result"],
            registry=registry,
        )
        self.reconcile_errors = Counter(
            "controller_runtime_reconcile_errors", "Reconciles that failed.", controller, registry=registry
        )
        self.reconcile_time = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "How long a reconcile took.",
            controller,
            buckets=_RECONCILE_BUCKETS,
            registry=registry,
        )
        self.active_workers = Gauge(
            "controller_runtime_active_workers", "Reconciles running now.", controller, registry=registry
        )
        self.max_concurrent = Gauge(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciles that may run at once.",
            controller,
            registry=registry,
        )
        self.requests = Counter(
            "rest_client_requests", "API requests by status code and method.", ["code", "method"], registry=registry
        )
        self.leader = Gauge(
            "leader_election_master_status", "1 while this process holds the lease.", ["name"], registry=registry
        )
