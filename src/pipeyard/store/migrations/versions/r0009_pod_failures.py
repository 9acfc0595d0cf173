"""Deployments remember why their last pod ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """A column is added in place, as in 0004: what there is has no such failure yet."""
    op.add_column("deployments", sa.Column("last_pod_failure", sa.Text(), nullable=True))
