"""How long executions may wait, and modules may take to be imported."""

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
