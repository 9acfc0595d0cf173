"""What goes with a deleted row: files of executions and log lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeyard.domain.executions import values_prefix
from pipeyard.domain.log_lines import Subject
from pipeyard.ports import DataStore, LogStore


@dataclass(frozen=True)
class Cleaning:
    """Removes what nothing refers to any more. Called after the commit that deleted the rows."""

    files: DataStore
    logs: LogStore

    async def forget(self, execution_ids: Sequence[str], subject: Subject, subject_ids: Sequence[str]) -> None:
        """Files and logs of executions, and the logs of what they belonged to."""
        await self.forget_files(execution_ids)
        await self.logs.delete(Subject.EXECUTION, execution_ids)
        await self.logs.delete(subject, subject_ids)

    async def forget_files(self, execution_ids: Sequence[str]) -> None:
        """The file inputs and outputs of executions."""
        for execution_id in execution_ids:
            await self.files.delete_folder(values_prefix(execution_id))
