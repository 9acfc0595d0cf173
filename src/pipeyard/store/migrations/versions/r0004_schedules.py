"""Schedules of deployments, and the ticks that they gave."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Columns are added in place: a table that is made anew would take its executions with it (ON DELETE CASCADE)."""
    op.add_column("deployments", sa.Column("schedule", sa.Text(), nullable=True))
    for name in ("next_fire_at", "last_fire_at", "last_tick_at"):
        op.add_column("deployments", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_deployments_due",
        "deployments",
        ["next_fire_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_fire_at IS NOT NULL"),
        postgresql_where=sa.text("next_fire_at IS NOT NULL"),
    )
    op.create_table(
        "ticks",
        sa.Column("deployment_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_ticks_deployment_id_deployments"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("deployment_id", "due_at", name=op.f("pk_ticks")),
        sa.UniqueConstraint("execution_id", name=op.f("uq_ticks_execution_id")),
    )
