"""The tables. Instants are whole milliseconds since 1970 (UTC); what is encrypted is bytes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of exactly this type.
_Number = BigInteger().with_variant(Integer(), "sqlite")

# Written out, not bound: the planner uses a partial index only if it reads the same words in the query.
IS_OPEN = "status IN ('Pending', 'Running')"
WILL_FIRE = "wake_at IS NOT NULL"
IS_HOLDING = "held_tick_at IS NOT NULL"

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

sdk_tokens = Table(
    "sdk_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)

environments = Table(
    "environments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

variables = Table(
    "variables",
    metadata,
    Column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),  # encrypted
)

projects = Table(
    "projects",
    metadata,
    Column("environment_id", ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    Column("config", Text, nullable=False),  # JSON, see domain.records
    Column("deploy_key", LargeBinary),  # encrypted
)

pipelines = Table(
    "pipelines",
    metadata,
    Column("id", Text, primary_key=True),
    Column("environment_id", ForeignKey("environments.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("commit_id", Text),
    Column("image", Text),
    Column("declaration", Text, nullable=False),  # JSON, see domain.records
    Column("template", Text),  # JSON, see domain.records
    UniqueConstraint("environment_id", "name"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("environment_id", ForeignKey("environments.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("pipeline_id", ForeignKey("pipelines.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("rule", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("endpoint_url_path", Text),
    Column("endpoint_token", LargeBinary),  # encrypted
    Column("enable_parallel_executions", Boolean, nullable=False),
    Column("max_parallel_executions_per_pod", Integer, nullable=False),
    Column("ram_request", Text),
    Column("gpu_request", Integer),
    Column("execution_timeout_s", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("description", Text),
    Column("mappings", Text, nullable=False),  # JSON, see domain.records
    Column("schedule", Text),
    Column("schedule_time_zone", Text),  # this and the next four: null is the default
    Column("schedule_jitter_s", Integer),
    Column("schedule_paused_until", BigInteger),
    Column("schedule_overlap", Text),
    Column("schedule_catch_up_s", Integer),
    Column("next_fire_at", BigInteger),  # null: it is disabled
    Column("wake_at", BigInteger),  # of the next tick, its jitter added
    Column("held_tick_at", BigInteger),
    Column("last_fire_at", BigInteger),
    Column("last_tick_at", BigInteger),
    Column("endpoint_id", Text),  # null: it is periodic
    Column("last_pod_failure", Text),  # JSON, see domain.records
    Column("queue_timeout_s", Integer),
    Column("start_timeout_s", Integer),
    Column("retries", Text),  # JSON, see domain.retries; null: none
    UniqueConstraint("environment_id", "name"),
    UniqueConstraint("environment_id", "endpoint_url_path"),
    # The scheduler's heap: what is due is at its front, whatever else is there.
    Index("ix_deployments_wake", "wake_at", "id", sqlite_where=text(WILL_FIRE)),
    Index("ix_deployments_held", "id", sqlite_where=text(IS_HOLDING)),
)

servers = Table(
    "servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("number", _Number, primary_key=True),  # the order of acceptance
    Column("id", Text, nullable=False, unique=True),
    Column("environment_id", Text, nullable=False),  # the pipeline's, which never changes
    Column("pipeline_id", ForeignKey("pipelines.id", ondelete="CASCADE"), nullable=False),
    Column("deployment_id", ForeignKey("deployments.id", ondelete="CASCADE")),
    Column("server_id", Text, nullable=False),  # the lease
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("due_at", BigInteger),  # of the tick that it stands for
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("mappings", Text, nullable=False),  # JSON, see domain.records
    Column("failure", Text),  # JSON, see domain.records
    # The large ones last: SQLite reads a row up to the column it needs.
    Column("input_values", Text, nullable=False),  # JSON
    Column("output_values", Text),  # JSON
    Column("endpoint_id", Text),  # at which it was accepted; behind the large ones because it was added later
    Column("queue_timeout_s", Integer),  # of its deployment, when it accepted it
    Column("retries", Text),  # likewise
    Column("attempt", Integer),  # null: the first
    Column("retry_at", BigInteger),
    Index("ix_executions_pipeline_id_number", "pipeline_id", "number"),
    Index("ix_executions_deployment_id_number", "deployment_id", "number"),
    Index("ix_executions_open", "deployment_id", sqlite_where=text(IS_OPEN)),
)


# Attempts that were followed by another; the last one is the execution's own row.
attempts = Table(
    "attempts",
    metadata,
    Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger, nullable=False),
    Column("failure", Text),  # JSON, see domain.records
)


def _metrics(name: str, *particular: Column[Any]) -> Table:
    """A table of metrics. Each index ends in the order of the answer, so that a page costs what is on it."""
    columns = ("environment_id", "pipeline_id", "deployment_id")  # of the execution, which never change
    return Table(
        name,
        metadata,
        Column("number", _Number, primary_key=True),  # the order of the first recordings
        Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), nullable=False),
        Column("name", Text, nullable=False),
        *(Column(column, Text, nullable=column == "deployment_id") for column in columns),
        Column("created_at", BigInteger, nullable=False),
        *particular,
        UniqueConstraint("execution_id", "name"),
        *(Index(f"ix_{name}_{column}_number", column, "number") for column in columns),
        *(Index(f"ix_{name}_{column}_name_number", column, "name", "number") for column in columns),
    )


single_metrics = _metrics("single_metrics", Column("value", Text, nullable=False))  # JSON: whole numbers stay whole
list_metrics = _metrics("list_metrics", Column("count", Integer, nullable=False))

# The values of a list, in pieces.
list_values = Table(
    "list_values",
    metadata,
    Column("list_number", ForeignKey("list_metrics.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # of the first value of the piece
    Column("content", Text, nullable=False),  # JSON without its brackets
)

# What the machine was doing; a GPU has rows of its own, with the last two alone. Usage in percent, traffic in bytes.
machine_samples = Table(
    "machine_samples",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("worker", Text, nullable=False),
    Column("cpu_usage", Float),
    Column("ram_usage", Float),
    Column("disk_usage", Float),
    Column("network_input_usage", BigInteger),  # since the sample before
    Column("network_output_usage", BigInteger),
    Column("gpu_usage", Float),
    Column("vram_usage", Float),
)

sampled_pods = Table(
    "sampled_pods",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("pod_id", Text, nullable=False, unique=True),
    Column("environment_id", Text, nullable=False),
    # Both for an elastic pod of a deployment, so that it is found and deleted with either.
    Column("deployment_id", ForeignKey("deployments.id", ondelete="CASCADE")),
    Column("execution_id", ForeignKey("executions.id", ondelete="CASCADE"), index=True),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False, index=True),
    Index("ix_sampled_pods_environment_id_last_at", "environment_id", "last_at"),
    Index("ix_sampled_pods_deployment_id_last_at", "deployment_id", "last_at"),
)

pod_samples = Table(
    "pod_samples",
    metadata,
    Column("pod_number", ForeignKey("sampled_pods.number", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, primary_key=True),
    Column("cpu_usage", Float, nullable=False),  # percent of one core
    Column("memory_bytes", BigInteger, nullable=False),
    Column("processes", Integer, nullable=False),
    sqlite_with_rowid=False,  # the key is most of the row: kept once
)

# One row for each instant of a schedule that was dealt with: it is never dealt with again, even if the execution that
# came of it is deleted. So that one is no foreign key.
ticks = Table(
    "ticks",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True),
    Column("due_at", BigInteger, primary_key=True, autoincrement=False),
    Column("execution_id", Text, nullable=False),
)
