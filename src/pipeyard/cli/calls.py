"""`pipeyard call`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeyard.cli.completions import DeploymentName
from pipeyard.cli.declaring import read_value
from pipeyard.cli.failures import CommandLineError
from pipeyard.cli.printing import note
from pipeyard.cli.sessions import Session, client_command, plain_app
from pipeyard.cli.texts import read_stdin, read_text
from pipeyard.errors import InvalidInputError

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk

app = plain_app()
_NOT_OFFERED = (404, 405)


@client_command(app, "call")
def call(
    session: Session,
    name: DeploymentName,
    values: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Inputs, by the types that the deployment declares; KEY=@FILE."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", metavar="JSON", help="All inputs as a JSON object; @FILE, or - for stdin."),
    ] = None,
    output_dir: Annotated[Path | None, typer.Option(help="Where file outputs go.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the result; otherwise print the execution's id.")] = True,
) -> None:
    """Trigger an endpoint, follow its log on stderr, print what it returns."""
    sdk = session.sdk
    deployment: Mapping[str, Any] = sdk.get_deployment(name)
    inputs = read_inputs(deployment, values or [], data)
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
    execution_id = trigger(sdk, deployment, inputs)
    if not wait:
        session.printer.done(execution_id, {"execution_id": execution_id})
        return
    outputs = wait_for_outputs(sdk, deployment, execution_id)
    if output_dir is not None:
        outputs = {key: _written(output_dir / key, value) for key, value in outputs.items()}
    if session.printer.as_json:
        session.printer.json({"execution_id": execution_id, "outputs": outputs})
    else:
        session.printer.fields(outputs)


def trigger(sdk: CraftAiSdk, deployment: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """The id of the execution. A Path is sent as a file. Raises SdkException."""
    with contextlib.ExitStack() as files:
        sent = {
            key: files.enter_context(value.open("rb")) if isinstance(value, Path) else value
            for key, value in inputs.items()
        }
        token = deployment["endpoint_token"]
        return sdk.trigger_endpoint(deployment["name"], token, sent, wait_for_completion=False)["execution_id"]


def wait_for_outputs(sdk: CraftAiSdk, deployment: Mapping[str, Any], execution_id: str) -> dict[str, Any]:
    """The outputs by endpoint output name; the log goes to stderr meanwhile. Raises SdkException."""
    try:
        return _wait_for_outputs(sdk, deployment, execution_id)
    except KeyboardInterrupt:
        note(f"execution {execution_id} goes on: pipeyard execution logs -f {execution_id}")
        raise


def _wait_for_outputs(sdk: CraftAiSdk, deployment: Mapping[str, Any], execution_id: str) -> dict[str, Any]:
    from pipeyard.sdk.errors import SdkException

    is_followed = True
    try:
        for line in sdk.follow_execution_logs(execution_id):
            note(line["message"])
    except SdkException as error:
        if error.status_code not in _NOT_OFFERED:
            raise
        is_followed = False  # an older platform: the log comes afterwards
    try:
        result = sdk.retrieve_endpoint_results(deployment["name"], execution_id, deployment["endpoint_token"])
    finally:
        if not is_followed:
            for line in sdk.get_pipeline_execution_logs(execution_id):
                note(line["message"])
    return dict(result["outputs"])


def read_inputs(deployment: Mapping[str, Any], values: list[str], data: str | None) -> dict[str, Any]:
    """Values by endpoint input name; a Path is a file to send. Raises InvalidInputError before anything is sent."""
    if deployment["execution_rule"] != "endpoint":
        name = deployment["name"]
        raise InvalidInputError(name, "is periodic: its schedule triggers it", f"pipeyard deployment run-now {name}")
    types = {
        mapping["endpoint_input_name"]: mapping["data_type"]
        for mapping in deployment["inputs_mapping"]
        if "endpoint_input_name" in mapping
    }
    return ({} if data is None else _read_object(data)) | read_values(types, values)


def read_values(types: Mapping[str, str], values: list[str]) -> dict[str, Any]:
    """`key=value` and `key=@file`, by the data types of the inputs. Raises InvalidInputError."""
    inputs: dict[str, Any] = {}
    for text in values:
        key, has_value, value = text.partition("=")
        if not has_value or not key:
            raise CommandLineError("call", f'"{text[:60]}" is not KEY=VALUE', f"inputs: {', '.join(types) or 'none'}")
        if key not in types:
            raise InvalidInputError(key, "is no input", ", ".join(types) or "none")
        inputs[key] = _read_one(key, types[key], value)
    return inputs


def _read_one(key: str, data_type: str, text: str) -> Any:
    if not text.startswith("@"):
        return read_value(key, data_type, text)
    place = Path(text[1:])
    if not place.is_file():
        raise InvalidInputError(key, f'there is no file "{place}"')
    return place if data_type == "file" else read_value(key, data_type, read_text(place))


def _read_object(data: str) -> dict[str, Any]:
    text = read_stdin() if data == "-" else read_text(Path(data[1:])) if data.startswith("@") else data
    wrong = CommandLineError if text is data else InvalidInputError
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise wrong("--data", f"is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise wrong("--data", f"must be a JSON object, got {type(value).__name__}")
    return value


def _written(place: Path, value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    place.write_bytes(value)
    return str(place)
