"""Names from the platform for the completion of the shell: quick, and silent when there are none to be had."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from pipeyard.cli.access import ACCESS_OPTIONS

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk

Complete = Callable[[typer.Context, list[str], str], list[str]]
WAIT_S = 1.0


def _completing(names: Callable[[CraftAiSdk], Iterable[str]]) -> Complete:
    def complete(context: typer.Context, arguments: list[str], incomplete: str) -> list[str]:
        found: list[str] = []
        typed = {variable: context.params.get(option) for option, variable in ACCESS_OPTIONS.items()}

        def find() -> None:
            from pipeyard.cli.sessions import connect

            # Whatever is wrong, the shell goes on: nobody reads an error between two keys.
            with contextlib.suppress(Exception), connect(typed) as sdk:
                found.extend(name for name in names(sdk) if name.startswith(incomplete))

        # A daemon: a platform that does not answer keeps no shell waiting.
        search = threading.Thread(target=find, daemon=True)
        search.start()
        search.join(WAIT_S)
        return list(found)

    return complete


complete_pipelines = _completing(lambda sdk: (row["pipeline_name"] for row in sdk.list_pipelines()))
complete_deployments = _completing(lambda sdk: (row["name"] for row in sdk.list_deployments()))
complete_executions = _completing(lambda sdk: (row["execution_id"] for row in sdk.list_executions(limit=50)))
complete_objects = _completing(lambda sdk: (row["path"] for row in sdk.list_data_store_objects()))
complete_variables = _completing(lambda sdk: (row["name"] for row in sdk.list_environment_variables()))

PipelineName = Annotated[str, typer.Argument(help="The pipeline.", autocompletion=complete_pipelines)]
DeploymentName = Annotated[str, typer.Argument(help="The deployment.", autocompletion=complete_deployments)]
ExecutionId = Annotated[str, typer.Argument(help="The execution.", autocompletion=complete_executions)]
ExecutionIds = Annotated[list[str], typer.Argument(help="The executions.", autocompletion=complete_executions)]
OfPipeline = Annotated[
    str | None, typer.Option("--pipeline", help="Of this pipeline.", autocompletion=complete_pipelines)
]
OfDeployment = Annotated[
    str | None, typer.Option("--deployment", help="Of this deployment.", autocompletion=complete_deployments)
]
OfExecution = Annotated[
    str | None, typer.Option("--execution", help="Of this execution.", autocompletion=complete_executions)
]
