"""What an endpoint is, whichever deployment serves it: the results of its calls are found by that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Every deployment serves the endpoint that it was made with, and accepted all its executions there."""
    for table in ("deployments", "executions"):
        op.add_column(table, sa.Column("endpoint_id", sa.Text(), nullable=True))
    op.execute("UPDATE deployments SET endpoint_id = id WHERE rule = 'endpoint'")
    op.execute(
        "UPDATE executions SET endpoint_id = deployment_id"
        " WHERE deployment_id IN (SELECT id FROM deployments WHERE rule = 'endpoint')"
    )
