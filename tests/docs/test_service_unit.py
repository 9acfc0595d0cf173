"""The systemd unit of the how-to guide would start this command line and leave pods alone."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeyard.settings import load_settings
from tests.docs.commands import parse_pipeyard
from tests.docs.pages import DOCS, Page
from tests.platforms import PIPEYARD

UNIT = next(block.text for block in Page(DOCS / "how-to" / "run-as-a-service.md").blocks if "ExecStart=" in block.text)


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT)
    return parser["Service"]


def test_the_unit_starts_a_command_line_that_exists(service: configparser.SectionProxy) -> None:
    parse_pipeyard(shlex.split(service["ExecStart"])[1:])


def test_the_unit_sets_variables_that_are_settings(service: configparser.SectionProxy) -> None:
    name, value = service["Environment"].split("=", 1)
    settings = load_settings({}, {name: value})
    assert getattr(settings, name.removeprefix("PIPEYARD_").lower()) == value


def test_the_unit_signals_the_server_alone_and_keeps_its_folder_private(service: configparser.SectionProxy) -> None:
    assert service["KillMode"] == "process"
    assert service["StateDirectoryMode"] == "0700"
    assert shlex.split(service["ExecStart"])[3] == f"/var/lib/{service['StateDirectory']}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    place = tmp_path / "pipeyard.service"
    place.write_text(UNIT.replace("/opt/pipeyard/.venv/bin/pipeyard", str(PIPEYARD)))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", place], capture_output=True, text=True, timeout=30
    )
    assert not [line for line in result.stderr.splitlines() if "pipeyard.service" in line], result.stderr
