"""The store over any SQL database: the queries of all nouns together."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeyard.clock import to_epoch_ms
from pipeyard.errors import ConflictError
from pipeyard.store.cipher import Cipher
from pipeyard.store.deployments import DeploymentRows
from pipeyard.store.executions import ExecutionRows
from pipeyard.store.metrics import MetricRows
from pipeyard.store.pipelines import PipelineRows
from pipeyard.store.projects import ProjectRows
from pipeyard.store.samples import SampleRows
from pipeyard.store.tables import deployments, projects, servers, variables
from pipeyard.store.ticks import TickRows
from pipeyard.store.users import UserRows

_TRIAL = update(servers).values(started_at=servers.c.started_at)  # changes nothing, and is written all the same


class SqlStore(UserRows, ProjectRows, PipelineRows, DeploymentRows, TickRows, ExecutionRows, MetricRows, SampleRows):
    """Implements `ports.Store`."""

    async def add_server(self, server_id: str, started_at: datetime) -> None:
        """Raises ConflictError when the id is taken."""
        row = {"id": server_id, "started_at": to_epoch_ms(started_at)}

        def add(connection: Connection) -> None:
            try:
                connection.execute(insert(servers), row)
            except IntegrityError:
                raise ConflictError(f'a server "{server_id}" exists already') from None

        await self._database.write(add)

    async def used_bytes(self) -> int:
        """On the disk, without what is free to be used again."""
        return await self._database.used_bytes()

    async def check(self) -> None:
        """Raises DiskError while nothing can be committed."""
        await self._database.check(lambda connection: connection.execute(_TRIAL))

    async def close(self) -> None:
        """Commit what is queued and let go of the database. Idempotent."""
        await self._database.close()


ENCRYPTED = (variables.c.value, deployments.c.endpoint_token, projects.c.deploy_key)


def check_key(connection: Connection, cipher: Cipher) -> None:
    """Raises StoreError if the database was written with another key: better at the start than at each call."""
    for secret in ENCRYPTED:
        some = connection.execute(select(secret).where(secret.is_not(None)).limit(1)).scalar()
        if some is not None:
            cipher.decrypt(some)


def renew_secrets(connection: Connection, cipher: Cipher) -> int:
    """Encrypt with the cipher's first key what any of its keys has encrypted. How many. Raises StoreError."""
    count = 0
    for secret in ENCRYPTED:
        identity = list(secret.table.primary_key.columns)
        for *values, value in connection.execute(select(*identity, secret).where(secret.is_not(None))).all():
            this = (column == one for column, one in zip(identity, values, strict=True))
            connection.execute(update(secret.table).where(*this).values({secret.name: cipher.renew(value)}))
            count += 1
    return count
