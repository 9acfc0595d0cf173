"""What a copy of the database needs before it is kept, and after it is restored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text, update

from pipeyard.clock import to_epoch_ms
from pipeyard.domain.executions import ExecutionStatus, Failure
from pipeyard.domain.pipelines import PipelineStatus
from pipeyard.pod.protocol import FailureKind
from pipeyard.store.cipher import Cipher
from pipeyard.store.executions import failure_text
from pipeyard.store.sql import check_key
from pipeyard.store.tables import IS_OPEN, executions, pipelines

_LOST = Failure(
    FailureKind.LOST,
    "it had not ended when the backup was made from which the platform was restored",
    "Look whether it has done its work, then trigger it again.",
)


def leave_out_deleted(copy: Path, live: Path) -> None:
    """Delete from a copy what has been deleted since, whose files may be missing beside it."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("ATTACH ? AS live", (str(live),))
        for table in ("pipelines", "deployments", "executions"):
            connection.execute(f"DELETE FROM main.{table} WHERE id NOT IN (SELECT id FROM live.{table})")  # noqa: S608
        connection.execute("DETACH live")
        connection.execute("PRAGMA journal_mode = DELETE")  # one file again


def settle_restored(connection: Connection, cipher: Cipher, now: datetime) -> None:
    """Nothing runs that may have run since the backup, and every image is built anew: none is in a backup.

    Raises StoreError when the key is that of another database.
    """
    check_key(connection, cipher)
    ended = {
        "status": ExecutionStatus.ERROR.value,
        "ended_at": to_epoch_ms(now),
        "failure": failure_text(_LOST),
    }
    connection.execute(update(executions).where(text(IS_OPEN)).values(ended))
    connection.execute(
        update(pipelines)
        .where(pipelines.c.status == PipelineStatus.READY.value)
        .values(status=PipelineStatus.CREATION_PENDING.value, image=None)
    )
