"""`pipeyard deploy`."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeyard.cli.deployments import Mode
from pipeyard.cli.printing import note, shown
from pipeyard.cli.sessions import Session, client_command, plain_app
from pipeyard.errors import InvalidInputError

if TYPE_CHECKING:
    from pipeyard.cli.deploying.plans import Plan
    from pipeyard.cli.deploying.replacing import Served, Wanted

app = plain_app()
PLACEHOLDERS = {"string": "text", "number": 0, "boolean": False, "json": {}, "array": [], "file": Path("FILE")}


@dataclass(frozen=True)
class Order:
    """What the command line says."""

    folder: Path
    name: str | None
    function: str | None
    wanted: Wanted
    call: list[str] | None


@dataclass(frozen=True)
class FirstCall:
    """Its inputs. `missing`: required ones that nobody has given, with values such as they could have."""

    inputs: dict[str, Any]
    missing: dict[str, Any]


@client_command(app, "deploy")
def deploy(
    session: Session,
    folder: Annotated[Path, typer.Argument(help="The folder with the code.")],
    name: Annotated[str | None, typer.Option(help="The name of the deployment. The folder's by default.")] = None,
    mode: Annotated[
        Mode, typer.Option(help="A warm pod for all executions, or a new one for each.")
    ] = Mode.low_latency,
    function: Annotated[
        str | None, typer.Option(metavar="FILE.py:FUNCTION", help="What is called. Found by convention by default.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="CRON", help="Run it by the clock instead of by calls.")
    ] = None,
    call: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="An input of the first call. Repeat it.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Deploy again whenever the folder changes.")] = False,
) -> None:
    """From a folder to an endpoint that can be called; on the same name again, in place of what was there.

    Reads the function's signature and docstring, without running anything, to declare inputs and outputs. Packages are
    those of requirements.txt or pyproject.toml, Python that of .python-version or requires-python. Calls the endpoint
    once if the inputs are known: by --call, by example.json in the folder, or by default values.
    """
    from pipeyard.cli.deploying.replacing import Wanted

    order = Order(folder, name, function, Wanted(mode.value, schedule), call)
    if watch:
        _watch(session, order)
    else:
        _deploy_once(session, order)


def _watch(session: Session, order: Order) -> None:
    """Until Ctrl-C. What goes wrong is said, and the next change is waited for."""
    from pipeyard.cli.deploying.watching import look, wait_for_change
    from pipeyard.cli.failures import describe, details

    if not order.folder.is_dir():
        raise InvalidInputError(str(order.folder), "is not a folder", "a folder with the code")
    seen = look(order.folder)
    while True:
        try:
            _deploy_once(session, order)
        except Exception as error:
            for line in details(error):
                note(line)
            note(f"pipeyard: {describe(error)}")
        note(f"watching {order.folder}; Ctrl-C ends that, and leaves the deployment as it is")
        seen = wait_for_change(order.folder, seen)


def _deploy_once(session: Session, order: Order) -> None:
    from pipeyard.cli.deploying.plans import choose_name, make_plan
    from pipeyard.cli.deploying.replacing import retire, serve

    name = choose_name(order.folder, order.name)
    plan = make_plan(order.folder, name, order.function, session.sdk.list_languages)
    first = _first_call(plan, order)
    is_silent = session.printer.as_json
    if not is_silent:
        _print_plan(plan)
    sdk = session.sdk
    served = serve(sdk, plan, order.wanted)
    address = f"{sdk.base_environment_url}/endpoints/{served.deployment.get('endpoint_url_path')}"
    if not is_silent:
        _print_served(served, address, first, order.folder)
    result = None
    try:
        if not first.missing and served.deployment["execution_rule"] == "endpoint":
            result = _call(session, served, first.inputs)
    finally:
        if is_silent:  # also when the call fails: the deployment is there
            session.printer.json_line(_as_json(plan, served, address, result))
        if served.former is not None:
            retire(sdk, plan.name, served.former)


def _first_call(plan: Plan, order: Order) -> FirstCall:
    """What is known of it. Raises InvalidInputError."""
    from pipeyard.cli.calls import read_values
    from pipeyard.cli.deploying.folders import EXAMPLE, find_example

    types = {one.name: one.data_type for one in plan.signature.inputs}
    example = find_example(order.folder) or {}
    unknown = [name for name in example if name not in types]
    if unknown:
        raise InvalidInputError(
            EXAMPLE, f"{unknown[0]} is no input of {plan.function_name}", ", ".join(types) or "none"
        )
    for name, value in example.items():
        if types[name] == "file":
            place = order.folder / str(value)
            if not place.is_file():
                raise InvalidInputError(EXAMPLE, f'{name}: there is no file "{value}" in the folder')
            example[name] = place
    inputs = example | read_values(types, order.call or [])
    required = [one for one in plan.signature.inputs if one.is_required]
    missing = {one.name: PLACEHOLDERS[one.data_type] for one in required if one.name not in inputs}
    if missing and order.call is not None:
        raise InvalidInputError("--call", f"{', '.join(missing)} must have a value", "--call KEY=VALUE for each")
    return FirstCall(inputs, missing)


def _call(session: Session, served: Served, inputs: dict[str, Any]) -> dict[str, Any]:
    """One call; its outputs. Raises SdkException."""
    from pipeyard.cli.calls import trigger, wait_for_outputs

    execution_id = trigger(session.sdk, served.deployment, inputs)
    outputs = wait_for_outputs(session.sdk, served.deployment, execution_id)
    if not session.printer.as_json:
        typer.echo("\nthe first call returned")
        for name, value in outputs.items():
            typer.echo(f"  {name} = {shown(value)}")
    return {"execution_id": execution_id, "outputs": outputs}


def _print_plan(plan: Plan) -> None:
    signature = plan.signature
    typer.echo(f"{plan.name}: {plan.function_path}:{signature.name}")
    if signature.description:
        typer.echo(f"  {signature.description.splitlines()[0]}")
    for kind, declared in (("input", signature.inputs), ("output", signature.outputs)):
        for one in declared:
            said = f"  {one.description}" if one.description else ""
            typer.echo(f"  {kind:<7} {one.name}: {one.data_type}{_rule(one)}{said}")
    packages = "requirements.txt" if plan.has_requirements else "none"
    typer.echo(f"  packages {packages}, {plan.language or 'the default Python'}")


def _rule(declared: Any) -> str:
    if getattr(declared, "default_value", None) is not None:
        return f" = {declared.default_value!r}"
    return "" if getattr(declared, "is_required", True) else ", not required"


def _print_served(served: Served, address: str, first: FirstCall, folder: Path) -> None:
    deployment = served.deployment
    typer.echo(f"\n{served.change}: {deployment['name']} is {deployment['status']}")
    if deployment["execution_rule"] == "periodic":
        typer.echo(f"  {deployment['human_readable_schedule']} ({deployment['schedule_time_zone']})")
        return
    typer.echo(f"  {address}")
    typer.echo(f"  {curl_line(address, deployment['endpoint_token'], first.inputs | first.missing, folder)}")
    if first.missing:
        has = "has" if len(first.missing) == 1 else "have"
        options = " ".join(f"--call {name}=..." for name in first.missing)
        typer.echo(f"\nnot called: {', '.join(first.missing)} {has} no value; {options}")


def curl_line(address: str, token: str, inputs: dict[str, Any], folder: Path) -> str:
    """A command that calls the endpoint with these inputs, on one line."""
    from pipeyard.cli.deploying.folders import EXAMPLE

    words = ["curl", address, "-H", f"Authorization: EndpointToken {token}"]
    if any(isinstance(value, Path) for value in inputs.values()):
        for key, value in inputs.items():
            words += ["-F", f"{key}=@{value}" if isinstance(value, Path) else f"{key}={json.dumps(value)}"]
        return shlex.join(words)
    text = json.dumps(inputs)
    if len(text) > 200 and (folder / EXAMPLE).is_file():
        text = f"@{folder / EXAMPLE}"
    return shlex.join([*words, "-H", "Content-Type: application/json", "-d", text])


def _as_json(plan: Plan, served: Served, address: str, result: dict[str, Any] | None) -> dict[str, Any]:
    signature = plan.signature
    return {
        "name": plan.name,
        "change": served.change,
        "pipeline_name": plan.pipeline_name,
        "function": f"{plan.function_path}:{signature.name}",
        "inputs": [one.to_dict() for one in signature.inputs],
        "outputs": [one.to_dict() for one in signature.outputs],
        "deployment": dict(served.deployment),
        "url": address if served.deployment["execution_rule"] == "endpoint" else None,
        "result": result,
    }
