"""Progress: bars where somebody looks on, lines where that was asked for, else nothing."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import types
from typing import Any

import pytest

from pipeyard.sdk import display, execution_context
from pipeyard.sdk.display import Display, is_seen, wants_display
from tests.sdk.clients import API, FakeServer, FakeTime, make_client

PROGRAM = """
import io, sys, time
from pipeyard.sdk.display import Display, wants_display
shown = Display(is_on=wants_display({verbose}))
with shown.reading("Uploading data", io.BytesIO(b"x" * 1_000_000)) as file:
    while file.read(100_000):
        time.sleep(0.02)
with shown.task("Building p") as task:
    task.say("a line of [the] log")
    time.sleep(0.3)
print("end of output")
"""


def run_in_terminal(program: str, columns: int = 100) -> str:
    """What a person sees of a program in a terminal."""
    reading, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("CRAFT_AI_EXECUTION_ID",)}
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment | {"TERM": "xterm", "COLUMNS": str(columns)},
    )
    os.close(terminal)
    seen = b""
    while True:
        try:
            data = os.read(reading, 65536)
        except OSError:  # the program has closed its end
            break
        if not data:
            break
        seen += data
    os.close(reading)
    assert process.wait(30) == 0, seen
    return seen.decode()


def test_a_terminal_has_bars_and_the_log() -> None:
    seen = run_in_terminal(PROGRAM.format(verbose=None))
    for text in ("Uploading data", "MB", "Building p", "a line of [the] log", "end of output"):
        assert text in seen


def test_a_narrow_terminal_has_one_line_without_a_bar() -> None:
    seen = run_in_terminal(PROGRAM.format(verbose=None), columns=30)
    frames = [frame for frame in re.split(r"[\r\n]|\x1b\[[0-9;?]*[A-Za-z]", seen) if "Uploading" in frame]
    assert frames
    assert all("━" not in frame and len(frame) <= 30 and "Uploading data" in frame for frame in frames)


def test_a_terminal_has_nothing_where_nothing_is_wanted() -> None:
    assert run_in_terminal(PROGRAM.format(verbose=False)).split() == ["end", "of", "output"]


def test_without_a_terminal_there_is_silence(capsys: pytest.CaptureFixture[str]) -> None:
    assert wants_display(None) is False
    exec(PROGRAM.format(verbose=None).replace("time.sleep", "(lambda s: None)"), {})
    assert capsys.readouterr().err == ""


def test_where_it_was_asked_for_lines_come_without_a_terminal(
    capsys: pytest.CaptureFixture[str], time: FakeTime
) -> None:
    shown = Display(is_on=True)
    with shown.task("Building p") as task:
        task.say("a line of [the] log")
        time.now_s += 2.5
    with shown.task("what is quick"):
        pass
    with pytest.raises(ValueError, match="no"), shown.task("what fails"):
        raise ValueError("no")
    assert capsys.readouterr().err.splitlines() == [
        "a line of [the] log",
        "Building p: done after 2.5 s",
        "what fails: failed after 0.0 s",
    ]


@pytest.mark.parametrize(
    ("given", "variable", "seen", "execution", "expected"),
    [
        (True, "false", False, "e", True),
        (False, "true", True, None, False),
        (None, "true", False, "e", True),
        (None, "FALSE", True, None, False),
        (None, "", True, None, True),
        (None, "", False, None, False),
        (None, "", True, "e", False),
    ],
)
def test_who_decides_whether_anything_is_shown(
    given: bool | None,
    variable: str,
    seen: bool,
    execution: str | None,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDK_VERBOSE_LOG", variable)
    monkeypatch.setattr(display, "is_seen", lambda: seen)
    monkeypatch.setattr(execution_context, "_context_module", lambda: None)
    monkeypatch.delenv("CRAFT_AI_EXECUTION_ID", raising=False)
    if execution is not None:
        monkeypatch.setenv("CRAFT_AI_EXECUTION_ID", execution)
    assert wants_display(given) is expected


def test_a_notebook_counts_as_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_seen()
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    assert is_seen()


def test_what_is_sent_again_is_counted_again() -> None:
    counted = []

    class Counting(display.Task):
        def advance(self, amount: int) -> None:
            counted.append(amount)

    file = display._WatchedFile(io.BytesIO(b"12345"), Counting())
    file.seek(0, os.SEEK_END)
    file.seek(0)
    assert (file.read(3), file.read(), sum(counted)) == (b"123", b"45", 5)
    file.seek(0)
    assert sum(counted) == 0
    file.read()
    assert sum(counted) == 5


def test_several_tasks_at_once_share_one_display(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "is_seen", lambda: True)
    shown = Display(is_on=True)
    with shown.task("one", 10) as one, shown.task("two") as two:
        one.advance(5)
        one.expect(20)
        two.say("hello")
    assert "hello" in capsys.readouterr().err
    with shown.task("three"):
        pass


def test_verbose_log_can_be_changed(kind: str, server: FakeServer, time: FakeTime, capsys: Any) -> None:
    client = make_client(kind, server, time)
    assert client.verbose_log is False
    (client._sdk if kind == "async" else client).verbose_log = True
    assert client.verbose_log is True
    server.on("GET", f"{API}/executions/e/outputs", (500, {"name": "ExecutionFailed", "message": "no"}))
    with pytest.raises(Exception, match="no"):
        client.retrieve_pipeline_execution_outputs("e")
    assert "Waiting for e: failed" in capsys.readouterr().err
    client.close()
