"""`pipeyard deployment`."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from pipeyard.cli.completions import DeploymentName, complete_pipelines
from pipeyard.cli.declaring import DESTINATIONS, SOURCES, read_destination, read_instant, read_source
from pipeyard.cli.failures import CommandLineError, failure_fields
from pipeyard.cli.logs import Follow, Limit, Times, print_log
from pipeyard.cli.sessions import Session, client_command, new_app
from pipeyard.cli.texts import read_stdin
from pipeyard.errors import InvalidInputError

app = new_app("Rules that turn calls or time into executions.")


class Mode(str, Enum):
    """How executions are run."""

    elastic = "elastic"
    low_latency = "low_latency"


class OverlapChoice(str, Enum):
    """What becomes of a tick while an execution is open."""

    allow = "allow"
    skip = "skip"
    buffer_one = "buffer_one"


TimeZone = Annotated[str | None, typer.Option(metavar="ZONE", help="Such as Europe/Paris. UTC by default.")]
Jitter = Annotated[int | None, typer.Option(min=0, metavar="S", help="Fire each tick up to so many seconds late.")]
PausedUntil = Annotated[
    str | None,
    typer.Option(metavar="INSTANT", help="Such as 2026-12-24T18:00:00+01:00; `now` ends the pause."),
]
OverlapPolicy = Annotated[OverlapChoice | None, typer.Option(help="What a tick does while an execution is open.")]
CatchUp = Annotated[
    int | None, typer.Option(min=10, metavar="S", help="A missed tick still runs if it is not later than that.")
]


RetryDelay = Annotated[
    int | None, typer.Option(min=0, metavar="S", help="Seconds between the end of an attempt and the next.")
]
RetryOn = Annotated[
    list[str] | None,
    typer.Option(metavar="KIND", help="After this kind of failure, such as lost; all that may pass. Repeat it."),
]


@client_command(app, "create")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="The name of the deployment.")],
    pipeline: Annotated[str, typer.Option(help="What it runs.", autocompletion=complete_pipelines)],
    mode: Annotated[Mode, typer.Option(help="A new pod for each execution, or a warm one for all.")] = Mode.elastic,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="Run it by the clock instead of by calls.")
    ] = None,
    time_zone: TimeZone = None,
    jitter: Jitter = None,
    paused_until: PausedUntil = None,
    overlap: OverlapPolicy = None,
    catch_up: CatchUp = None,
    path: Annotated[str | None, typer.Option(help="The last part of its URL. Its name by default.")] = None,
    endpoint_token: Annotated[str | None, typer.Option(help="The token of the endpoint. Made up by default.")] = None,
    sources: Annotated[
        list[str] | None, typer.Option("--map-input", metavar="NAME=SOURCE", help=f"{SOURCES}. Repeat it.")
    ] = None,
    destinations: Annotated[
        list[str] | None,
        typer.Option("--map-output", metavar="NAME=DESTINATION", help=f"{DESTINATIONS}. Repeat it."),
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="So many executions at once in the pod. low_latency only.")
    ] = None,
    memory: Annotated[str | None, typer.Option(help="Such as 512MiB. low_latency only.")] = None,
    gpus: Annotated[int | None, typer.Option(min=0, help="GPUs of the pod. low_latency only.")] = None,
    timeout: Annotated[int | None, typer.Option(min=1, metavar="S", help="Seconds that an execution may run.")] = None,
    queue_timeout: Annotated[
        int | None, typer.Option(min=1, metavar="S", help="Seconds that an execution may wait until it runs.")
    ] = None,
    start_timeout: Annotated[
        int | None, typer.Option(min=1, metavar="S", help="Seconds that the import of the module may take.")
    ] = None,
    retries: Annotated[int | None, typer.Option(min=0, help="Try what failed again, so many times at most.")] = None,
    retry_delay: RetryDelay = None,
    retry_on: RetryOn = None,
    description: Annotated[str | None, typer.Option(help="Free text.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is up.")] = True,
) -> None:
    """Create a deployment of a pipeline: an endpoint, or with --schedule a periodic one."""
    made = session.sdk.create_deployment(
        pipeline,
        name,
        "endpoint" if schedule is None else "periodic",
        mode.value,
        schedule=schedule,
        inputs_mapping=None if sources is None else [read_source(text) for text in sources],
        outputs_mapping=None if destinations is None else [read_destination(text) for text in destinations],
        description=description,
        enable_parallel_executions=None if parallel is None else True,
        max_parallel_executions_per_pod=parallel,
        ram_request=memory,
        gpu_request=gpus,
        wait_for_completion=wait,
        execution_timeout_s=timeout,
        endpoint_url_path=path,
        endpoint_token=endpoint_token,
        schedule_time_zone=time_zone,
        schedule_jitter_s=jitter,
        schedule_paused_until=None if paused_until is None else read_instant("--paused-until", paused_until),
        schedule_overlap=None if overlap is None else overlap.value,
        schedule_catch_up_s=catch_up,
        queue_timeout_s=queue_timeout,
        start_timeout_s=start_timeout,
        retries=retries,
        retry_delay_s=retry_delay,
        retry_on=retry_on,
    )
    session.printer.done(f'deployment "{name}": {made["status"]}', made)


@client_command(app, "retry")
def retry(
    session: Session,
    name: DeploymentName,
    retries: Annotated[int | None, typer.Argument(min=0, help="How often at most; it stays if left out.")] = None,
    delay: RetryDelay = None,
    on: RetryOn = None,
) -> None:
    """Change how often, when and after what the executions of a deployment are tried again."""
    answer = session.sdk.update_deployment(name, retries=retries, retry_delay_s=delay, retry_on=on)
    session.printer.done(f'deployment "{name}" tries again {answer.get("retries", 0)} times at most', answer)


@client_command(app, "schedule")
def reschedule(
    session: Session,
    name: DeploymentName,
    schedule: Annotated[str | None, typer.Argument(metavar="CRON", help="The new one; it stays if left out.")] = None,
    time_zone: TimeZone = None,
    jitter: Jitter = None,
    paused_until: PausedUntil = None,
    overlap: OverlapPolicy = None,
    catch_up: CatchUp = None,
) -> None:
    """Change the schedule of a periodic deployment, or what goes with it."""
    answer = session.sdk.update_deployment(
        name,
        schedule=schedule,
        schedule_time_zone=time_zone,
        schedule_jitter_s=jitter,
        schedule_paused_until=None if paused_until is None else read_instant("--paused-until", paused_until),
        schedule_overlap=None if overlap is None else overlap.value,
        schedule_catch_up_s=catch_up,
    )
    words = f"{answer['human_readable_schedule']} ({answer['schedule_time_zone']})"
    following = answer["next_fire_at"] or "never: it is disabled"
    session.printer.done(f'deployment "{name}": {words}, next {following}', answer)


@client_command(app, "fire-times")
def fire_times(
    session: Session,
    name: DeploymentName,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 5,
) -> None:
    """List when a periodic deployment fires next."""
    columns = {"due_at": "DUE AT", "local_time": "LOCAL TIME"}
    session.printer.rows(session.sdk.get_next_fire_times(name, limit), columns)


@client_command(app, "list")
def list_all(session: Session) -> None:
    """List deployments."""
    columns = {
        "name": "DEPLOYMENT",
        "status": "STATUS",
        "pipeline_name": "PIPELINE",
        "execution_rule": "RULE",
        "mode": "MODE",
        "created_at": "CREATED",
    }
    session.printer.rows(session.sdk.list_deployments(), columns)


@client_command(app, "show")
def show(session: Session, name: DeploymentName) -> None:
    """Show a deployment: where it is called, what goes in and out, its pods, why the last one that failed did."""
    found: dict[str, Any] = dict(session.sdk.get_deployment(name))
    if session.printer.as_json:
        session.printer.json(found)
        return
    if "endpoint_token" in found:
        found["endpoint_token"] = f"(`pipeyard deployment token {name}` shows it)"
    failure = failure_fields(found.pop("last_pod_failure", None))
    if failure:
        found["last_pod_failure"] = f"{failure.pop('at')} {failure.pop('pod_id', '')}".strip()
    session.printer.fields(found | failure)


@client_command(app, "logs")
def logs(
    session: Session, name: DeploymentName, follow: Follow = False, limit: Limit = None, timestamps: Times = False
) -> None:
    """Print what its pods said outside of executions, and what the platform did with them."""
    sdk = session.sdk
    read = sdk.follow_deployment_logs if follow else sdk.get_deployment_logs
    print_log(session, read, name, follow, limit, timestamps)


@client_command(app, "enable")
def enable(session: Session, name: DeploymentName) -> None:
    """Let it be triggered again."""
    _switch(session, name, True)


@client_command(app, "disable")
def disable(session: Session, name: DeploymentName) -> None:
    """Let it end what it has accepted, and accept nothing more."""
    _switch(session, name, False)


def _switch(session: Session, name: str, is_enabled: bool) -> None:
    answer = session.sdk.update_deployment(name, is_enabled=is_enabled)
    session.printer.done(f'deployment "{name}": {answer["status"]}', answer)


@client_command(app, "run-now")
def run_now(session: Session, name: DeploymentName) -> None:
    """Run a periodic deployment at once; its schedule goes on as it did."""
    answer = session.sdk.run_deployment_now(name)
    session.printer.done(answer["execution_id"], answer)


@client_command(app, "backfill")
def backfill(
    session: Session,
    name: DeploymentName,
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help="The first instant, such as 2026-11-22T10:00Z.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="The instant before which it ends.")],
    most: Annotated[int, typer.Option("--max", min=1, help="Refuse a range with more fire times, 1000 at most.")] = 100,
) -> None:
    """Run a periodic deployment for the fire times of a range that were never run."""
    made = session.sdk.backfill_deployment(name, read_instant("--from", begin), read_instant("--to", end), most)
    session.printer.rows(made, {"execution_id": "EXECUTION", "due_at": "DUE"})


@client_command(app, "delete")
def delete(
    session: Session,
    name: DeploymentName,
    with_pipelines: Annotated[
        bool, typer.Option("--with-pipelines", help="Delete its pipeline too, and what `deploy` has kept of before.")
    ] = False,
) -> None:
    """Delete a deployment with its executions."""
    from pipeyard.cli.deploying.replacing import delete_pipelines, find_pipelines

    sdk = session.sdk
    if not with_pipelines:
        session.printer.done(f'deleted deployment "{name}"', sdk.delete_deployment(name))
        return
    gone = find_pipelines(sdk, name, sdk.get_deployment(name)["pipeline"]["name"])  # before anything is deleted
    answer = dict(sdk.delete_deployment(name))
    delete_pipelines(sdk, name, gone)
    session.printer.done(f'deleted deployment "{name}" and pipelines {", ".join(gone)}', answer | {"pipelines": gone})


@client_command(app, "token")
def token(
    session: Session,
    name: DeploymentName,
    new: Annotated[bool, typer.Option("--new", help="Replace it; the old one stops working at once.")] = False,
    chosen: Annotated[
        str | None, typer.Option("--set", metavar="TOKEN", help="Replace it by this one; - reads it from stdin.")
    ] = None,
) -> None:
    """Print the token of an endpoint."""
    if new and chosen is not None:
        raise CommandLineError("--set", "does not go with --new", "one of the two")
    if new or chosen is not None:
        given = read_stdin().strip() if chosen == "-" else chosen
        answer = session.sdk.generate_new_endpoint_token(name, given)
        session.printer.done(answer["endpoint_token"], answer)
        return
    found = session.sdk.get_deployment(name)
    if "endpoint_token" not in found:
        raise InvalidInputError(name, "is periodic, it has no endpoint token")
    session.printer.done(found["endpoint_token"], {"endpoint_token": found["endpoint_token"]})
