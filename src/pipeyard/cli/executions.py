"""`pipeyard execution`."""

from __future__ import annotations

from enum import Enum
from functools import partial
from typing import Annotated, Any

import typer

from pipeyard.cli.completions import ExecutionId, ExecutionIds, OfDeployment, OfPipeline
from pipeyard.cli.each import do_each
from pipeyard.cli.failures import CommandLineError, failure_fields
from pipeyard.cli.logs import Follow, Limit, Times, print_log
from pipeyard.cli.sessions import Session, client_command, new_app

app = new_app("What has been called, and how it ended.")


class Status(str, Enum):
    """In which an execution can be."""

    Pending = "Pending"
    Running = "Running"
    Succeeded = "Succeeded"
    Failed = "Failed"
    Error = "Error"
    Skipped = "Skipped"


@client_command(app, "list")
def list_all(
    session: Session,
    pipeline: OfPipeline = None,
    deployment: OfDeployment = None,
    status: Annotated[Status | None, typer.Option(help="In this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest only.")] = 50,
) -> None:
    """List executions, newest first."""
    columns = {
        "execution_id": "EXECUTION",
        "status": "STATUS",
        "pipeline_name": "PIPELINE",
        "deployment_name": "DEPLOYMENT",
        "created_at": "CREATED",
        "end_date": "ENDED",
    }
    wanted = None if status is None else status.value
    session.printer.rows(session.sdk.list_executions(pipeline, deployment, wanted, limit), columns)


@client_command(app, "show")
def show(session: Session, execution_id: ExecutionId) -> None:
    """Show an execution: status, reason of a failure, inputs and outputs."""
    found: dict[str, Any] = dict(session.sdk.get_pipeline_execution(execution_id))
    if session.printer.as_json:
        session.printer.json(found)
        return
    failure = failure_fields(found.pop("failure", None))
    found.pop("steps", None)
    session.printer.fields(found | failure)


@client_command(app, "logs")
def logs(
    session: Session,
    execution_id: ExecutionId,
    follow: Follow = False,
    limit: Limit = None,
    timestamps: Times = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Of this attempt; of all by default.")] = None,
) -> None:
    """Print what an execution said. With --follow until it has ended."""
    if follow and attempt is not None:
        raise CommandLineError("--attempt", "does not go with --follow", "one of the two")
    sdk = session.sdk
    read = sdk.follow_execution_logs if follow else partial(sdk.get_pipeline_execution_logs, attempt=attempt)
    print_log(session, read, execution_id, follow, limit, timestamps)


@client_command(app, "cancel")
def cancel(session: Session, execution_ids: ExecutionIds) -> None:
    """Cancel executions: what waits never runs, what runs is ended."""
    do_each(session, "cancelled", execution_ids, session.sdk.cancel_execution)


@client_command(app, "delete")
def delete(session: Session, execution_id: ExecutionId) -> None:
    """Delete an execution that has ended, with its values and its log."""
    answer = session.sdk.delete_pipeline_execution(execution_id)
    session.printer.done(f'deleted execution "{execution_id}"', answer)
