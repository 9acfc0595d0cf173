"""Whatever is wrong with a command: one line that says what and what to do, a status, and nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeyard.cli.main import COMMANDS, run
from tests.cli.shells import Shell
from tests.platforms import Platform

SOURCE = "def main(text, number=None, flag=None, thing=None, items=None, upload=None): return {'x': text}\n"
INPUTS = ("text:string", "number?:number", "flag?:boolean", "thing?:json", "items?:array", "upload?:file")
OUTSIDE = "def f(x): return g(x)\n"


@dataclass(frozen=True)
class Bad:
    """A command line; `said` are parts of its one line. Status 2 is wrong usage, 1 all else."""

    command: str
    said: tuple[str, ...]
    status: int = 1
    stdin: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def bad(command: str, *said: str, status: int = 1, stdin: str = "", **environment: str) -> Bad:
    return Bad(command, said, status, stdin, environment)


TYPES = "string, number, boolean, json, array, file"
CASES = [
    # the command line itself
    bad("nope", 'there is no command "nope"', "pipeyard --help", status=2),
    bad("deploymnt list", "did you mean deployment?", status=2),
    bad("pipeline nope", "nope", "pipeyard pipeline --help", status=2),
    bad("pipeline list extra", "extra", "pipeyard pipeline list --help", status=2),
    bad("pipeline show", "name", "pipeyard pipeline show --help", status=2),
    bad("pipeline list --nope", "--nope", status=2),
    bad("deployment create d", "--pipeline", status=2),
    bad("deployment create d --pipeline bad --mode warm", "--mode", "elastic", "low_latency", status=2),
    bad("deployment create d --pipeline bad --timeout soon", "--timeout", status=2),
    bad("deployment create d --pipeline bad --parallel 0", "--parallel", "1", status=2),
    bad("deployment create d --pipeline bad --overlap queue", "--overlap", "buffer_one", status=2),
    bad("deployment create d --pipeline bad --jitter -1", "--jitter", status=2),
    bad("deployment fire-times d --limit 0", "--limit", "1", status=2),
    bad("deployment backfill d --from soon --to now", "--from", "'soon' is not an instant", '"now"', status=2),
    bad("deployment schedule d --paused-until soon", "--paused-until", "'soon' is not an instant", '"now"', status=2),
    bad("execution list --status Finished", "for '--status': 'Finished' is not one of", "Succeeded", status=2),
    bad("execution list --limit 0", "--limit", status=2),
    bad("up --port many", "--port", status=2),
    # access
    bad("pipeline list --environment-url http://127.0.0.1:9", "no token for http://127.0.0.1:9", "pipeyard login"),
    bad("pipeline list --environment-url http://127.0.0.1:9 --token x", "http://127.0.0.1:9"),
    bad("pipeline list --environment-url ftp://x --token x", "ftp://x"),
    bad("pipeline list --token wrong-token", "token", "pipeyard login"),
    bad("login --token wrong-token", "token"),
    bad("login --token-stdin", "stdin is empty"),
    bad("login --token-stdin --token x", "--token-stdin", "one of the two", status=2),
    bad("login --environment-url http://127.0.0.1:9", "--token-stdin"),
    bad("login", "no platform was started here", "pipeyard up"),
    bad("pipeline list", "PIPEYARD_PORT".lower().partition("_")[2], "many", PIPEYARD_PORT="many"),
    # pipelines
    bad("pipeline create never", "nothing says where the code is", "--folder, --repository, --template", status=2),
    bad("pipeline create never --folder ok --template t", "--folder and --template", status=2),
    bad("pipeline create never --folder nowhere", "nowhere", "is not a folder"),
    bad("pipeline create never --folder empty", "no Python file"),
    bad("pipeline create never --folder ok --function main.py:nope", 'main.py has no function "nope"', "main"),
    bad("pipeline create never --folder outside", "main.py:1", "cannot tell which outputs"),
    bad("pipeline create never --folder ok --input text", "--input", '"text" is not NAME:TYPE', TYPES, status=2),
    bad("pipeline create never --folder ok --input text:text", "--input", TYPES, status=2),
    bad("pipeline create never --folder ok --input number:number=many", "--input number", '"many" is not', status=2),
    bad("pipeline create never --folder ok --input upload:file=x", "upload", "is a file", status=2),
    bad("pipeline create never --folder ok --output :json", "--output", TYPES, status=2),
    bad("pipeline create n/ever --folder ok", "pipeline_name", "A-Z a-z 0-9"),
    bad("pipeline create bad --folder ok", 'a pipeline named "bad" exists already'),
    bad("pipeline create never --repository https://example.org/x.git", "--function", "FILE.py:FUNCTION", status=2),
    bad("pipeline create never --folder ok --language python:2.7-slim", "language", "python:3.X-slim"),
    bad("pipeline show nope", 'no pipeline named "nope"', "list"),
    bad("pipeline logs bad --follow --limit 3", "--limit", "--follow", status=2),
    bad("pipeline delete bad", "bad-deployment", "deployments"),
    # deployments
    bad("deployment create never --pipeline nope", 'no pipeline named "nope"'),
    bad("deployment create bad-deployment --pipeline bad", "exists already"),
    bad("deployment create never --pipeline bad --memory 3Apples --mode low_latency", "ram_request", "512MiB"),
    bad("deployment create never --pipeline bad --memory 512MiB", "ram_request", "low_latency"),
    bad("deployment create never --pipeline bad --path a/b", "endpoint_url_path"),
    bad("deployment create never --pipeline bad --endpoint-token short", "endpoint_token"),
    bad("deployment create never --pipeline bad --map-input text", "--map-input", "env:VARIABLE", status=2),
    bad("deployment create never --pipeline bad --map-input text=what:x", "--map-input", "const:JSON", status=2),
    bad("deployment create never --pipeline bad --map-input text=const:a", "--map-input", "is not JSON", status=2),
    bad("deployment create never --pipeline bad --map-output x=env:Y", "--map-output", "data:PATH, null", status=2),
    bad("deployment show nope", 'no deployment named "nope"'),
    bad("deployment token bad-deployment --new --set chosen-token", "--set", "--new", status=2),
    bad("deployment token bad-deployment --set short", "endpoint_token", "8 to 200"),
    bad("deployment token bad-deployment --set -", "endpoint_token", stdin="\n"),
    bad("deployment disable nope", 'no deployment named "nope"'),
    bad("deployment delete nope", 'no deployment named "nope"'),
    # calls
    bad("call nope", 'no deployment named "nope"'),
    bad("call bad-deployment", "text", "is required"),
    bad("call bad-deployment text", '"text" is not KEY=VALUE', "inputs: text, number", status=2),
    bad("call bad-deployment text=a nope=1", "nope: is no input", "text, number"),
    bad("call bad-deployment text=a number=many", "number", '"many" is not of type number'),
    bad("call bad-deployment text=a number=true", "number", "not of type number"),
    bad("call bad-deployment text=a flag=yes", "flag", "true, false"),
    bad("call bad-deployment text=a items=1,2", "items", "[1, 2]"),
    bad("call bad-deployment text=a items={}", "items", "array"),
    bad("call bad-deployment text=a thing={", "thing", "json"),
    bad("call bad-deployment text=a upload=x", "upload", "is a file", "@PATH"),
    bad("call bad-deployment text=a upload=@nowhere", "upload", 'there is no file "nowhere"'),
    bad("call bad-deployment --data {", "--data", "is not JSON", status=2),
    bad("call bad-deployment --data [1]", "--data", "JSON object", status=2),
    bad("call bad-deployment --data @nowhere", "nowhere", "No such file"),
    bad("call bad-deployment --data -", "--data", "is not JSON", stdin="not json"),
    bad("call bad-deployment text=a --output-dir ok/main.py", "ok/main.py"),
    # executions, data, variables, metrics
    bad("execution show nope", 'no execution named "nope"'),
    bad("execution delete nope", 'no execution named "nope"'),
    bad("data put nowhere", "nowhere", "is not a file"),
    bad("env set NAME", '"NAME" has no value', "NAME=VALUE", status=2),
    bad("env set GOOD=1 CRAFT_AI_X=1 2BAD", "2BAD", status=2),
    bad("env set 2BAD=1", "2BAD", "variable name"),
    bad("env set CRAFT_AI_SDK_TOKEN=1", "CRAFT_AI_"),
    bad("env set FROM=@nowhere", "nowhere"),
    bad("env rm NOPE", 'no environment variable named "NOPE"'),
    bad("metrics --resources --since yesterday", "--since", "15m", status=2),
    bad("metrics --csv", "--csv", "--resources", status=2),
    bad("metrics --pipeline a --deployment b", "more than one filter", status=2),
    # deploy
    bad("deploy nowhere", "nowhere", "is not a folder"),
    bad("deploy empty", "no Python file"),
    bad("deploy outside", "main.py:1", "cannot tell which outputs", "-> float", "TypedDict"),
    bad("deploy ok --call text", '"text" is not KEY=VALUE', status=2),
    # what is not text
    bad("call bad-deployment text=@binary", "binary: is not UTF-8: byte 0xff at 2", "text in UTF-8"),
    bad("call bad-deployment --data @binary", "binary: is not UTF-8"),
    bad("env set FROM=@binary", "binary: is not UTF-8"),
    bad("data put f\udcff.txt", "f\\udcff.txt", "is not text in UTF-8"),
    bad("env set FROM=\udcff", "is not text in UTF-8"),
    bad("deploy ancient", "ancient/.python-version: is not UTF-8"),
    bad("deploy ok --name a/b", "name", '"a/b" is not a name'),
    bad("deploy ok --name v1", "name"),
    bad(f"deploy ok --name {'x' * 95}", "name", "95 characters"),
    bad("deploy ok --function nope.py:f", 'there is no "nope.py"', "main.py"),
    bad("deploy ok --call nope=1", "nope: is no input", "text"),
    bad("deploy ok --call number=1", "--call", "text must have a value"),
    bad("deploy ok --mode warm", "--mode", status=2),
    bad("deploy ok --name bad-deployment", "bad-deployment", "was not made by `pipeyard deploy`"),
    bad("deploy example", "example.json", "is not JSON"),
    bad("deploy future", ".python-version", "3.99", "3.11-slim"),
    bad("deploy nowhere --watch", "nowhere", "is not a folder"),
]  # fmt: skip


@pytest.fixture(scope="module")
def world(platform: Platform) -> Iterator[Platform]:
    """A pipeline, a deployment and folders that commands can name."""
    from craft_ai_sdk import Input

    sources = platform.folder / "bad-sources"
    sources.mkdir()
    (sources / "main.py").write_text(SOURCE)
    inputs = [
        Input(name.rstrip("?"), kind, is_required=not name.endswith("?"))
        for name, kind in (text.split(":") for text in INPUTS)
    ]
    platform.sdk.create_pipeline(
        "bad", "main.py", "main", container_config={"local_folder": str(sources)}, inputs=inputs
    )
    platform.sdk.create_deployment("bad", "bad-deployment", "endpoint")
    yield platform
    platform.sdk.delete_pipeline("bad", force_deployments_deletion=True)


def _snapshot(platform: Platform, home: Path) -> Any:
    sdk = platform.sdk
    return (
        sdk.list_pipelines(),
        sdk.list_deployments(),
        sdk.get_deployment("bad-deployment"),
        sdk.list_pipeline_executions("bad"),
        sdk.list_environment_variables(),
        sorted(str(path) for path in home.rglob("*")),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.command)
def test_it_is_refused_on_one_line_and_changes_nothing(
    case: Bad, world: Platform, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.folder("ok", SOURCE)
    shell.folder("outside", OUTSIDE)
    shell.folder("example", SOURCE, example_json="{")
    (shell.folder("future", SOURCE) / ".python-version").write_text("3.99\n")
    (shell.folder("ancient", SOURCE) / ".python-version").write_bytes(b"3.11\xff")
    (shell.home / "binary").write_bytes(b"ab\xff")
    (shell.home / "f\udcff.txt").touch()
    (shell.home / "empty").mkdir()
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    before = _snapshot(world, shell.home)
    done = shell(*case.command.split(" "), stdin=case.stdin, status=case.status)
    # What was read of the code is shown before the platform is asked.
    assert done.out == "" or case.command == "deploy ok --name bad-deployment"
    (line,) = done.err.splitlines()
    assert line.startswith("pipeyard: ")
    for said in case.said:
        assert said in line
    assert _snapshot(world, shell.home) == before


def test_without_access_every_command_says_how_to_get_some(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in shell.platform.credentials:
        monkeypatch.delenv(name)
    done = shell("pipeline", "list", status=1)
    assert done.err.startswith("pipeyard: no platform is known: start one with `pipeyard up`, or use `pipeyard login`")


def test_a_fault_of_our_own_is_one_line_too_and_a_traceback_when_asked_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeyard.cli.sessions.find_access", lambda flags: 1 / 0)
    done = shell("pipeline", "list", status=1)
    assert done.err == "pipeyard: unexpected ZeroDivisionError: division by zero; PIPEYARD_DEBUG=1 shows where\n"
    monkeypatch.setenv("PIPEYARD_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["pipeline", "list"])


def test_every_command_has_a_help(shell: Shell) -> None:
    for name in COMMANDS:
        assert shell(name, "--help").out.startswith(f"Usage: pipeyard {name} ")
    for name in ("pipeline", "deployment", "execution", "data", "env"):
        assert shell(name).out == shell(name, "--help").out
