"""Executions say when they were due: lists ask no other table, and a tick may be run after it was skipped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """The table of ticks is made anew without its index of executions: nothing refers to it."""
    op.add_column("executions", sa.Column("due_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE executions SET due_at = (SELECT due_at FROM ticks WHERE ticks.execution_id = executions.id) "
        "WHERE deployment_id IN (SELECT deployment_id FROM ticks)"
    )
    with op.batch_alter_table("ticks") as ticks:
        ticks.drop_constraint(op.f("uq_ticks_execution_id"), type_="unique")
