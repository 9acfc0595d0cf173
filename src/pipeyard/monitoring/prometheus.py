"""Figures for Prometheus. Nothing is global: each server has a registry of its own."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

import pipeyard
from pipeyard.domain.executions import ExecutionStatus, Failure
from pipeyard.domain.loads import POD_STATUSES, Load
from pipeyard.domain.modes import Mode
from pipeyard.domain.pipelines import PipelineStatus
from pipeyard.pod.protocol import FailureKind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
WRITES = (1, 2, 5, 10, 25, 50, 100, 250, 1000)
BUILD_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)  # some are held on purpose
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# User code shares the pod with what reports a failure: a word of its own would make a series of its own.
REASONS = frozenset(kind for name, kind in vars(FailureKind).items() if name.isupper())
OTHER = "other"
TRIGGERS = ("endpoint", "run", "schedule", "run_now", "backfill")

M = TypeVar("M", bound=MetricWrapperBase)


class PrometheusMeters:
    """Implements `ports.Meters`. No label has a value that callers or pods can make up: the series stay few."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        build = Info("pipeyard_build", "Which Pipeyard this is", registry=registry)
        build.info({"version": pipeyard.__version__, "python": platform.python_version()})

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"pipeyard_{name}", what, labels, registry=registry)

        def gauge(name: str, what: str, *labels: str) -> Gauge:
            return Gauge(f"pipeyard_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"pipeyard_{name}", what, labels, buckets=buckets, registry=registry)

        self._requests = Children(counter("http_requests_total", "HTTP answers", "method", "route", "status"))
        self._request_s = Children(
            histogram("http_request_seconds", "From a request to the first of its answer", REQUEST_S, "method", "route")
        )
        self._accepted = Children(counter("executions_accepted_total", "Executions that were accepted", "trigger"))
        self._ended = Children(counter("executions_ended_total", "Executions that have ended", "status", "reason"))
        self._fire_error_s = histogram("fire_error_seconds", "Ticks: actual start minus due, jitter aside", LATE_S)
        self._dispatch_s = histogram(
            "tick_dispatch_seconds", "Ticks: durable and in the lane, minus due, jitter aside", LATE_S
        )
        self._looked_at = gauge("scheduler_last_look_timestamp_seconds", "When the scheduler last finished a look")
        self._build_s = Children(histogram("build_seconds", "Builds of pipelines", BUILD_S, "status"))
        self._commit_s = Children(
            histogram(
                "store_commit_seconds", "From the begin of a transaction until it is durable", COMMIT_S, "database"
            )
        )
        self._writes = Children(
            histogram("store_commit_writes", "Writes that shared a transaction", WRITES, "database")
        )
        self._waiting = Children(gauge("executions_waiting", "Executions that no pod has been given yet", "mode"))
        self._in_pods = Children(gauge("executions_in_pods", "Executions queued or running in pods", "mode"))
        self._pods = Children(gauge("pods", "Pods", "mode", "status"))
        self._builds = gauge("builds", "Builds, running and waiting")
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """A series that begins with its first event has no increase then, and wakes nobody."""
        for trigger in TRIGGERS:
            self._accepted.of(trigger)
        self._ended.of(ExecutionStatus.SUCCEEDED.value, "")
        for status in (ExecutionStatus.FAILED, ExecutionStatus.ERROR, ExecutionStatus.SKIPPED):
            for reason in (*sorted(REASONS), OTHER):
                self._ended.of(status.value, reason)

    def request_ended(self, method: str, route: str, status: int, took_s: float) -> None:
        """See `ports.Meters`."""
        known = method if method in METHODS else OTHER
        self._requests.of(known, route, str(status)).inc()
        self._request_s.of(known, route).observe(took_s)

    def execution_accepted(self, trigger: str) -> None:
        """See `ports.Meters`."""
        self._accepted.of(trigger).inc()

    def execution_ended(self, status: ExecutionStatus, failure: Failure | None) -> None:
        """See `ports.Meters`."""
        reason = "" if failure is None else failure.kind if failure.kind in REASONS else OTHER
        self._ended.of(status.value, reason).inc()

    def tick_dispatched(self, late_s: float) -> None:
        """See `ports.Meters`."""
        self._dispatch_s.observe(late_s)

    def tick_started(self, late_s: float) -> None:
        """See `ports.Meters`."""
        self._fire_error_s.observe(late_s)

    def scheduler_looked(self, at: datetime) -> None:
        """See `ports.Meters`."""
        self._looked_at.set(at.timestamp())

    def build_ended(self, status: PipelineStatus, took_s: float) -> None:
        """See `ports.Meters`."""
        self._build_s.of(status.value).observe(took_s)

    def committed(self, database: str, writes: int, took_s: float) -> None:
        """See `ports.Meters`."""
        self._commit_s.of(database).observe(took_s)
        self._writes.of(database).observe(writes)

    def render(self, load: Load) -> tuple[bytes, str]:
        """See `ports.Meters`."""
        for mode in Mode:
            self._waiting.of(mode.value).set(load.waiting.get(mode, 0))
            self._in_pods.of(mode.value).set(load.in_pods.get(mode, 0))
            for status in POD_STATUSES:
                self._pods.of(mode.value, status).set(load.pods.get((mode, status), 0))
        self._builds.set(load.builds)
        return generate_latest(self._registry), CONTENT_TYPE


class Children(Generic[M]):
    """The series of a metric by their labels: found by one look into a dictionary, without a lock."""

    def __init__(self, metric: M) -> None:
        self._metric = metric
        self._found: dict[tuple[str, ...], M] = {}

    def of(self, *labels: str) -> M:
        """The series with these values."""
        found = self._found.get(labels)
        if found is None:
            found = self._found[labels] = self._metric.labels(*labels)
        return found
