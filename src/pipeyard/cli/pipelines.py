"""`pipeyard pipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeyard.cli.completions import PipelineName
from pipeyard.cli.declaring import read_input, read_output
from pipeyard.cli.logs import Follow, Limit, Times, print_log
from pipeyard.cli.sessions import Session, client_command, new_app

app = new_app("Functions with declared inputs and outputs.")


@client_command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name of the pipeline.")],
    folder: Annotated[Path | None, typer.Option(help="The folder with the code.")] = None,
    repository: Annotated[str | None, typer.Option(metavar="URL", help="A git repository with the code.")] = None,
    branch: Annotated[str | None, typer.Option(help="Its branch.")] = None,
    deploy_key: Annotated[Path | None, typer.Option(help="The file of the SSH key that opens the repository.")] = None,
    template: Annotated[str | None, typer.Option(help="A template of the platform to create it from.")] = None,
    function: Annotated[
        str | None, typer.Option(metavar="FILE.py:FUNCTION", help="The function. Found by convention in a folder.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME[?]:TYPE[=DEFAULT]", help="An input; ? is not required. Repeat it."),
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output", metavar="NAME:TYPE", help="An output. Repeat it.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="Free text. The docstring by default.")] = None,
    language: Annotated[str | None, typer.Option(help="Such as python:3.11-slim.")] = None,
    requirements: Annotated[
        str | None, typer.Option(metavar="PATH", help="The file of packages, in the folder. requirements.txt if there.")
    ] = None,
    system_dependencies: Annotated[
        list[str] | None, typer.Option("--system-dependency", metavar="PACKAGE", help="A system package. Repeat it.")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Of a pod that runs it, such as 2GiB.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is built.")] = True,
) -> None:
    """Create a pipeline from a folder, a git repository or a template.

    For a folder, what is not given is read from the code, as `pipeyard deploy` does: function, inputs, outputs,
    packages, Python.
    """
    from pipeyard.cli.declaring import PipelineRequest, create_pipeline

    request = PipelineRequest(
        name=name,
        folder=folder,
        repository=repository,
        branch=branch,
        deploy_key=deploy_key,
        template=template,
        function=function,
        inputs=None if inputs is None else [read_input(text) for text in inputs],
        outputs=None if outputs is None else [read_output(text) for text in outputs],
        description=description,
        language=language,
        requirements=requirements,
        system_dependencies=system_dependencies,
        memory=memory,
    )
    made = create_pipeline(session.sdk, request, wait=wait)
    status = made["creation_info"]["status"]
    session.printer.done(f'pipeline "{name}": {status}', made)


@client_command(app, "list")
def list_all(session: Session) -> None:
    """List pipelines."""
    columns = {"pipeline_name": "PIPELINE", "status": "STATUS", "created_at": "CREATED"}
    session.printer.rows(session.sdk.list_pipelines(), columns)


@client_command(app, "show")
def show(session: Session, name: PipelineName) -> None:
    """Show a pipeline: inputs, outputs, what it runs in."""
    found: dict[str, Any] = dict(session.sdk.get_pipeline(name))
    if session.printer.as_json:
        session.printer.json(found)
        return
    session.printer.fields({**found["parameters"], **found["creation_info"]})


@client_command(app, "logs")
def logs(
    session: Session, name: PipelineName, follow: Follow = False, limit: Limit = None, timestamps: Times = False
) -> None:
    """Print the log of a pipeline's build."""
    sdk = session.sdk
    print_log(session, sdk.follow_pipeline_logs if follow else sdk.get_pipeline_logs, name, follow, limit, timestamps)


@client_command(app, "delete")
def delete(
    session: Session,
    name: PipelineName,
    with_deployments: Annotated[bool, typer.Option("--with-deployments", help="Delete its deployments too.")] = False,
) -> None:
    """Delete a pipeline with its executions."""
    answer = session.sdk.delete_pipeline(name, force_deployments_deletion=with_deployments)
    gone = [deployment["name"] for deployment in answer["deployments"]]
    session.printer.done(f'deleted pipeline "{name}"' + (f" and deployments {', '.join(gone)}" if gone else ""), answer)
