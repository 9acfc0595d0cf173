"""Metrics of executions, and what the machine and the pods were doing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """New tables alone."""
    _create_metrics("single_metrics", sa.Column("value", sa.Text(), nullable=False))
    _create_metrics("list_metrics", sa.Column("count", sa.Integer(), nullable=False))
    op.create_table(
        "list_values",
        _number("list_number"),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        _cascade("list_values", "list_number", "list_metrics.number"),
        sa.PrimaryKeyConstraint("list_number", "position", name=op.f("pk_list_values")),
    )
    op.create_table(
        "machine_samples",
        _number("number"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("cpu_usage", sa.Float(), nullable=True),
        sa.Column("ram_usage", sa.Float(), nullable=True),
        sa.Column("disk_usage", sa.Float(), nullable=True),
        sa.Column("network_input_usage", sa.BigInteger(), nullable=True),
        sa.Column("network_output_usage", sa.BigInteger(), nullable=True),
        sa.Column("gpu_usage", sa.Float(), nullable=True),
        sa.Column("vram_usage", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_machine_samples")),
    )
    op.create_index(op.f("ix_machine_samples_at"), "machine_samples", ["at"])
    op.create_table(
        "sampled_pods",
        _number("number"),
        sa.Column("pod_id", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("deployment_id", sa.Text(), nullable=True),
        sa.Column("execution_id", sa.Text(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        _cascade("sampled_pods", "deployment_id", "deployments.id"),
        _cascade("sampled_pods", "execution_id", "executions.id"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sampled_pods")),
        sa.UniqueConstraint("pod_id", name=op.f("uq_sampled_pods_pod_id")),
    )
    op.create_index("ix_sampled_pods_deployment_id_last_at", "sampled_pods", ["deployment_id", "last_at"])
    op.create_index("ix_sampled_pods_environment_id_last_at", "sampled_pods", ["environment_id", "last_at"])
    op.create_index(op.f("ix_sampled_pods_execution_id"), "sampled_pods", ["execution_id"])
    op.create_index(op.f("ix_sampled_pods_last_at"), "sampled_pods", ["last_at"])
    op.create_table(
        "pod_samples",
        _number("pod_number"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cpu_usage", sa.Float(), nullable=False),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=False),
        sa.Column("processes", sa.Integer(), nullable=False),
        _cascade("pod_samples", "pod_number", "sampled_pods.number"),
        sa.PrimaryKeyConstraint("pod_number", "at", name=op.f("pk_pod_samples")),
        sqlite_with_rowid=False,
    )


def _create_metrics(name: str, particular: sa.Column[Any]) -> None:
    columns = ("environment_id", "pipeline_id", "deployment_id")
    op.create_table(
        name,
        _number("number"),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        *(sa.Column(column, sa.Text(), nullable=column == "deployment_id") for column in columns),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        particular,
        _cascade(name, "execution_id", "executions.id"),
        sa.PrimaryKeyConstraint("number", name=op.f(f"pk_{name}")),
        sa.UniqueConstraint("execution_id", "name", name=op.f(f"uq_{name}_execution_id_name")),
    )
    for column in columns:
        op.create_index(f"ix_{name}_{column}_number", name, [column, "number"])
        op.create_index(f"ix_{name}_{column}_name_number", name, [column, "name", "number"])


def _number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _cascade(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{target.partition('.')[0]}")
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE")
