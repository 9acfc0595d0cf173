"""Options of schedules, the jitter of ticks, and ticks that wait for an execution to end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_IS_OPEN = "status IN ('Pending', 'Running')"


def upgrade() -> None:
    """Columns are added in place, as in 0004. What was due keeps its time: it has no jitter."""
    for name in ("schedule_time_zone", "schedule_overlap"):
        op.add_column("deployments", sa.Column(name, sa.Text(), nullable=True))
    for name in ("schedule_jitter_s", "schedule_catch_up_s"):
        op.add_column("deployments", sa.Column(name, sa.Integer(), nullable=True))
    for name in ("schedule_paused_until", "wake_at", "held_tick_at"):
        op.add_column("deployments", sa.Column(name, sa.BigInteger(), nullable=True))
    op.execute("UPDATE deployments SET wake_at = next_fire_at")
    op.drop_index("ix_deployments_due", "deployments")
    _index("ix_deployments_wake", "deployments", ["wake_at", "id"], "wake_at IS NOT NULL")
    _index("ix_deployments_held", "deployments", ["id"], "held_tick_at IS NOT NULL")
    op.drop_index("ix_executions_open", "executions")
    _index("ix_executions_open", "executions", ["deployment_id"], _IS_OPEN)


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)
