"""What a terminal gets, what a pipe gets, and how a command ends that is interrupted or not listened to."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from pipeyard.cli.printing import Printer
from tests.cli.shells import Shell
from tests.platforms import PIPEYARD, eventually

LONG = "x" * 90


@pytest.fixture
def named(fresh: Shell) -> Shell:
    """With a pipeline of a name that is longer than a narrow terminal is wide."""
    folder = fresh.folder("code", "def main(): pass")
    fresh("pipeline", "create", LONG, "--folder", folder)
    return fresh


def _in_terminal(*arguments: str, **environment: str) -> str:
    """What a terminal of 60 columns shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(PIPEYARD), *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "60"} | environment,
        close_fds=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux says so when the last writer has gone
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0, shown
    return shown.decode()


def test_a_terminal_gets_a_table_with_colours_unless_it_says_no(named: Shell) -> None:
    coloured = _in_terminal("pipeline", "list")
    assert "\x1b[" in coloured
    plain = _in_terminal("pipeline", "list", NO_COLOR="1")
    assert "\x1b[3" not in plain  # no colour; bold is none
    for shown in (coloured, plain):
        assert "PIPELINE" in shown
        assert max(len(line.split("\x1b")[0]) for line in shown.splitlines()) <= 60


def test_in_a_narrow_table_names_are_folded_and_dates_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printer = Printer(as_json=False)
    printer.is_terminal = True
    row = {
        "DEPLOYMENT": "a-name-of-some-length",
        "STATUS": "disabled",
        "PIPELINE": "shout-0123456789",
        "RULE": "endpoint",
        "MODE": "low_latency",
        "CREATED": "2026-11-22T10:00:00.000Z",
    }
    printer.rows([row], {key: key for key in row})
    _, first, *folded = capsys.readouterr().out.splitlines()
    assert first.endswith("  endpoint  low_latency  2026-11-22 10:00")
    assert first.split()[0] + folded[0].split()[0] == row["DEPLOYMENT"]


def test_a_pipe_gets_every_name_whole_and_no_escape(named: Shell) -> None:
    process = named.start("pipeline", "list", env=os.environ | {"COLUMNS": "20", "TERM": "xterm-256color"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert LONG in [line.split("\t")[0] for line in out.splitlines()]


def test_a_reader_that_goes_away_is_no_fault(named: Shell) -> None:
    script = f'set -o pipefail; "{PIPEYARD}" pipeline list | true; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() in ("0", "1")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">&-", "stdout is closed"), (">/dev/full", "what was to be written could not be: No space left on device")],
)
@pytest.mark.parametrize("command", ["execution list", "--help"])
def test_output_that_goes_nowhere_is_said_on_one_line(shell: Shell, command: str, redirection: str, said: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f'"{PIPEYARD}" {command} {redirection}'], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"pipeyard: {said}")


def test_ctrl_c_ends_a_command_with_130_and_no_traceback(fresh: Shell) -> None:
    folder = fresh.folder("slow", "import time\ndef main():\n    print('begun', flush=True)\n    time.sleep(600)\n")
    fresh("pipeline", "create", "slow", "--folder", folder)
    fresh("deployment", "create", "slow", "--pipeline", "slow")
    process = fresh.start("call", "slow")
    assert eventually(lambda: _has_begun(fresh))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    execution_id = fresh.platform.sdk.list_pipeline_executions("slow")[0]["execution_id"]
    assert err.splitlines()[-1] == f"execution {execution_id} goes on: pipeyard execution logs -f {execution_id}"
    assert "Traceback" not in err
    assert out == ""


def _has_begun(shell: Shell) -> bool:
    rows = shell.platform.sdk.list_pipeline_executions("slow")
    return bool(rows) and rows[0]["status"] == "Running"


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_shown(shell: Shell, name: str) -> None:
    # Told instead of found: the shell that runs the tests may be any.
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    out, err = shell.start("--show-completion", name, env=environment).communicate(timeout=60)
    assert f"_PIPEYARD_COMPLETE=complete_{name}" in out
    assert err == ""


def _complete(shell: Shell, line: str) -> list[str]:
    words = line.split(" ")
    environment = {"_PIPEYARD_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    process = shell.start(env=os.environ | environment)
    out, err = process.communicate(timeout=60)
    assert err == ""
    return out.split()


def test_commands_options_and_names_are_completed(named: Shell) -> None:
    assert _complete(named, "pipeyard dep") == ["deploy", "deployment"]
    assert _complete(named, "pipeyard pipeline sh") == ["show"]
    assert "--pipeline" in _complete(named, "pipeyard deployment create --pi")
    # Names come from the platform, which is given a second: a busy machine may need another try.
    assert eventually(lambda: _complete(named, "pipeyard pipeline show xx")) == [LONG]
    assert _complete(named, "pipeyard deployment create d --mode low") == ["low_latency"]


def test_completion_asks_the_platform_that_was_typed(named: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    token = named.platform.credentials["CRAFT_AI_SDK_TOKEN"]
    for name in named.platform.credentials:
        monkeypatch.delenv(name)
    line = f"pipeyard pipeline show --environment-url {named.platform.url} --token {token} xx"
    assert eventually(lambda: _complete(named, line)) == [LONG]


def test_completion_is_silent_without_a_platform(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRAFT_AI_ENVIRONMENT_URL", "http://127.0.0.1:9")
    assert _complete(shell, "pipeyard pipeline show ") == []
    for name in shell.platform.credentials:
        monkeypatch.delenv(name)
    assert _complete(shell, "pipeyard pipeline show ") == []


def test_help_imports_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys\nfrom pipeyard.cli.main import run\nrun(['--help'])\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & "
        "{'httpx', 'rich', 'pydantic', 'fastapi', 'sqlalchemy', 'asyncio', 'craft_ai_sdk'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_lines_of_the_help_are_those_of_the_commands(shell: Shell) -> None:
    import typer.main

    from pipeyard.cli.main import COMMANDS, app

    root = typer.main.get_command(app)
    with root.make_context("pipeyard", ["--help"], resilient_parsing=True) as context:
        for name, (_, line) in COMMANDS.items():
            command = root.get_command(context, name)  # type: ignore[attr-defined]
            assert command is not None
            assert line in shell("--help").out.replace("\n              ", " ")
