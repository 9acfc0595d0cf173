"""The tables. Instants are whole milliseconds since 1970 (UTC); what is encrypted is bytes."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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
    UniqueConstraint("environment_id", "name"),
    UniqueConstraint("environment_id", "endpoint_url_path"),
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
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("mappings", Text, nullable=False),  # JSON, see domain.records
    Column("failure", Text),  # JSON, see domain.records
    # The large ones last: SQLite reads a row up to the column it needs.
    Column("input_values", Text, nullable=False),  # JSON
    Column("output_values", Text),  # JSON
    Index("ix_executions_pipeline_id_number", "pipeline_id", "number"),
    Index("ix_executions_deployment_id_number", "deployment_id", "number"),
    Index("ix_executions_open", "number", sqlite_where=text(IS_OPEN), postgresql_where=text(IS_OPEN)),
)
