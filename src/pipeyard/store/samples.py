"""What the machine and the pods were doing, as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    tuple_,
    update,
)

from pipeyard.clock import from_epoch_ms, to_epoch_ms
from pipeyard.domain.metrics import MetricOwner
from pipeyard.domain.pods import PodRef
from pipeyard.domain.samples import PODS_MAX, MachineSample, PodPage, PodSample, PodSeries, Samples, Span
from pipeyard.store.database import Rows
from pipeyard.store.tables import deployments, executions, machine_samples, pod_samples, sampled_pods

# After a long pause much is too old at once: it goes in pieces, since the writer has other things to do.
_FORGOTTEN_AT_ONCE = 1000

_AVERAGES = ("cpu_usage", "ram_usage", "disk_usage", "gpu_usage", "vram_usage")
_SUMS = ("network_input_usage", "network_output_usage")

_OLDEST = select(func.min(machine_samples.c.at))
_SEEN = (
    update(sampled_pods)
    .where(sampled_pods.c.pod_id == bindparam("this_pod"))
    .values(last_at=bindparam("now"))
    .returning(sampled_pods.c.number)
)
_OF_DEPLOYMENT = select(deployments.c.environment_id, deployments.c.id).where(
    deployments.c.id == bindparam("deployment_id")
)
_OF_EXECUTION = select(executions.c.environment_id, executions.c.deployment_id).where(
    executions.c.id == bindparam("execution_id")
)
_FORGET_OF_LIVING = delete(pod_samples).where(
    pod_samples.c.pod_number == bindparam("this_pod"), pod_samples.c.at < bindparam("oldest")
)
_FORGET = delete(machine_samples).where(
    machine_samples.c.number.in_(
        select(machine_samples.c.number).where(machine_samples.c.at < bindparam("oldest")).limit(bindparam("at_once"))
    )
)
_DEAD = select(sampled_pods.c.number).where(sampled_pods.c.last_at < bindparam("oldest"))
_KEY = (pod_samples.c.pod_number, pod_samples.c.at)
_FORGET_OF_DEAD = delete(pod_samples).where(
    tuple_(*_KEY).in_(select(*_KEY).where(pod_samples.c.pod_number.in_(_DEAD)).limit(bindparam("at_once")))
)
_IS_EMPTY = ~exists().where(pod_samples.c.pod_number == sampled_pods.c.number)
_FORGET_DEAD = delete(sampled_pods).where(sampled_pods.c.number.in_(_DEAD.where(_IS_EMPTY).limit(bindparam("at_once"))))


class SampleRows(Rows):
    """Implements `ports.SampleStore`."""

    async def add_samples(self, samples: Samples, oldest_at: datetime) -> None:
        """Store them and forget what is older than that, in one transaction."""
        oldest = to_epoch_ms(oldest_at)
        await self._database.write(lambda connection: _add(connection, samples, oldest))

    async def oldest_sample_at(self) -> datetime | None:
        """None before the first one."""
        oldest = await self._database.read(lambda connection: connection.execute(_OLDEST).scalar())
        return None if oldest is None else from_epoch_ms(oldest)

    async def read_machine_samples(self, span: Span) -> Sequence[MachineSample]:
        """Ascending."""
        return await self._database.read(lambda connection: _read_machine(connection, span))

    async def read_pod_samples(self, span: Span, owner: MetricOwner, owner_id: str) -> PodPage:
        """Those seen last first. Pods are of an environment, a deployment or an execution."""
        return await self._database.read(lambda connection: _read_pods(connection, span, owner, owner_id))


def _add(connection: Connection, samples: Samples, oldest: int) -> None:
    rows = [asdict(sample) | {"at": to_epoch_ms(sample.at)} for sample in samples.machine]
    connection.execute(insert(machine_samples), rows)
    numbers = {ref: _see(connection, ref, to_epoch_ms(samples.at)) for ref in samples.pods}
    rows = [
        asdict(sample) | {"at": to_epoch_ms(sample.at), "pod_number": numbers[ref]}
        for ref, sample in samples.pods.items()
        if numbers[ref] is not None
    ]
    if rows:
        connection.execute(insert(pod_samples), rows)
        connection.execute(_FORGET_OF_LIVING, [{"this_pod": row["pod_number"], "oldest": oldest} for row in rows])
    for forget in (_FORGET, _FORGET_OF_DEAD, _FORGET_DEAD):
        connection.execute(forget, {"oldest": oldest, "at_once": _FORGOTTEN_AT_ONCE})


def _see(connection: Connection, ref: PodRef, now: int) -> int | None:
    """The number of a pod; None when what it was started for has been deleted."""
    number: int | None = connection.execute(_SEEN, {"this_pod": ref.pod_id, "now": now}).scalar()
    if number is not None:
        return number
    owner = _OF_EXECUTION if ref.deployment_id is None else _OF_DEPLOYMENT
    found = connection.execute(owner, {"deployment_id": ref.deployment_id, "execution_id": ref.execution_id}).first()
    if found is None:
        return None
    environment_id, deployment_id = found
    row = {
        "pod_id": ref.pod_id,
        "environment_id": environment_id,
        "deployment_id": deployment_id,
        "execution_id": ref.execution_id,
        "first_at": now,
        "last_at": now,
    }
    return int(connection.execute(insert(sampled_pods).returning(sampled_pods.c.number), row).scalar_one())


def _read_machine(connection: Connection, span: Span) -> Sequence[MachineSample]:
    table = machine_samples
    step, within = _steps(table, span)
    query = (
        select(
            table.c.worker,
            func.max(table.c.at).label("at"),
            *(func.avg(table.c[name]).label(name) for name in _AVERAGES),
            # PostgreSQL's sum of whole numbers is a decimal.
            *(cast(func.sum(table.c[name]), BigInteger).label(name) for name in _SUMS),
        )
        .where(*within)
        .group_by(step, table.c.worker)
        .order_by(step, table.c.worker)
    )
    return [MachineSample(**_rounded(row)) for row in connection.execute(query).mappings()]


def _read_pods(connection: Connection, span: Span, owner: MetricOwner, owner_id: str) -> PodPage:
    pods = sampled_pods
    wanted = (
        pods.c[f"{owner.value}_id"] == owner_id,
        pods.c.last_at >= to_epoch_ms(span.start),
        pods.c.first_at < to_epoch_ms(span.end),
    )
    latest = (
        select(pods.c.number, pods.c.pod_id, pods.c.execution_id, deployments.c.name.label("deployment_name"))
        .outerjoin(deployments, deployments.c.id == pods.c.deployment_id)
        .where(*wanted)
        .order_by(pods.c.last_at.desc(), pods.c.number.desc())
        .limit(PODS_MAX)
    )
    rows = connection.execute(latest).all()
    samples = _read_samples(connection, span, [row.number for row in rows])
    series = [PodSeries(row.pod_id, row.deployment_name, row.execution_id, samples[row.number]) for row in rows]
    count = connection.execute(select(func.count()).select_from(pods).where(*wanted)).scalar_one()
    return PodPage(series, max(count, len(series)))


def _read_samples(connection: Connection, span: Span, numbers: Sequence[int]) -> Mapping[int, list[PodSample]]:
    table = pod_samples
    step, within = _steps(table, span)
    query = (
        select(
            table.c.pod_number,
            func.max(table.c.at).label("at"),
            func.avg(table.c.cpu_usage).label("cpu_usage"),
            func.max(table.c.memory_bytes).label("memory_bytes"),
            func.max(table.c.processes).label("processes"),
        )
        .where(table.c.pod_number.in_(numbers), *within)
        .group_by(table.c.pod_number, step)
        .order_by(table.c.pod_number, step)
    )
    found: defaultdict[int, list[PodSample]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        given = _rounded(row)
        found[given.pop("pod_number")].append(PodSample(**given))
    return found


def _steps(table: Table, span: Span) -> tuple[ColumnElement[int], Sequence[ColumnElement[bool]]]:
    """The number of the step that a row is in, and the conditions for it to be in one."""
    start = to_epoch_ms(span.start)
    # Rounded up: one more step than wanted is too many.
    width = max(1, -(-span.step // timedelta(milliseconds=1)))
    return (table.c.at - start) // width, (table.c.at >= start, table.c.at < to_epoch_ms(span.end))


def _rounded(row: Mapping[Any, Any]) -> dict[str, Any]:
    numbers = {name: round(value, 2) if isinstance(value, float) else value for name, value in row.items()}
    return numbers | {"at": from_epoch_ms(row["at"])}
