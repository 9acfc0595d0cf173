"""How long executions may wait, and modules may take to be imported; retries and their attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Columns are added in place, as in 0004. What is there has no limit, as before."""
    for table, name in (
        ("deployments", "queue_timeout_s"),
        ("deployments", "start_timeout_s"),
        ("executions", "queue_timeout_s"),
    ):
        op.add_column(table, sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("deployments", sa.Column("retries", sa.Text(), nullable=True))
    op.add_column("executions", sa.Column("retries", sa.Text(), nullable=True))
    op.add_column("executions", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column("executions", sa.Column("retry_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "attempts",
        sa.Column("execution_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"], ["executions.id"], name="fk_attempts_execution_id_executions", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("execution_id", "number", name="pk_attempts"),
    )
