"""Project settings, and the template that a pipeline was created from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0001"


def upgrade() -> None:
    """Pipelines that are there were created from a folder."""
    op.create_table(
        "projects",
        sa.Column("environment_id", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("deploy_key", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["environment_id"],
            ["environments.id"],
            name=op.f("fk_projects_environment_id_environments"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("environment_id", name=op.f("pk_projects")),
    )
    op.add_column("pipelines", sa.Column("template", sa.Text(), nullable=True))
