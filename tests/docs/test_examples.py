"""Every block of the documentation that can run is run, page by page, in its order.

A `python` block runs with the public client, its names shared by the page; one that begins with `# file: PATH` is
written there instead. A `bash` block runs with the page's `endpoint_token` in `ENDPOINT_TOKEN`. A `text` block right
below is its output, `…` standing for anything.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.commands import check_command, is_only_checked
from tests.docs.pages import ROOT, Block, Page, pages
from tests.git_hosts import GitHost
from tests.platforms import Platform

LANGUAGES = {"python", "bash", "text", "json", "ini", "toml", "yaml", "mermaid"}
TOKEN_VARIABLE = "ENDPOINT_TOKEN"
RUNNABLE = [page for page in pages() if any(block.language in ("python", "bash") for block in page.blocks)]


def test_every_block_names_its_language() -> None:
    for page in pages():
        for block in page.blocks:
            assert block.language in LANGUAGES, f"{block.place}: {block.language!r}"


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.name)
def test_what_a_page_shows_works(
    page: Page, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in platform.credentials.items():
        monkeypatch.setenv(name, value)
    # Where the pages start: a clone after `make setup`, and the data folder of a running platform.
    Path(".venv").symlink_to(sys.prefix)
    Path(".pipeyard").symlink_to(platform.data_dir)
    Path("examples").symlink_to(ROOT / "examples")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    if "REPOSITORY_URL" in page.text:
        prepare_repository(request.getfixturevalue("git_host"), platform, monkeypatch)
    before = _pipelines(platform)
    Reader(page, monkeypatch).read()
    for name in _pipelines(platform) - before:  # pages may use the same names
        platform.sdk.delete_pipeline(name, force_deployments_deletion=True)


def _pipelines(platform: Platform) -> set[str]:
    return {row["pipeline_name"] for row in platform.sdk.list_pipelines()}


def prepare_repository(host: GitHost, platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reader of a page about git has: a repository, a key that opens it, a host that the platform knows."""
    host.repository("page.git", {"src/hello.py": "def greet(name): return {'greeting': f'Hello, {name}!'}\n"})
    Path("deploy_key").write_text(host.key)
    (platform.data_dir / "known_hosts").write_text(host.known_hosts())
    monkeypatch.setenv("REPOSITORY_URL", host.url("page.git"))


class Reader:
    """Does what a page says."""

    def __init__(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        self._page = page
        self._monkeypatch = monkeypatch
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._output: str | None = None

    def read(self) -> None:
        for block in self._page.blocks:
            self._read(block)

    def _read(self, block: Block) -> None:
        if block.file is not None:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text)
        elif block.language == "python":
            self._output = self._run_python(block)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text)
        elif block.language == "bash":
            self._output = self._run_bash(block)
        elif block.language == "text" and block.is_next and self._output is not None:
            assert_matches(block, self._output)
            self._output = None

    def _run_python(self, block: Block) -> str:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(block.text, block.place, "exec"), self._names)
        token = self._names.get("endpoint_token")
        if token is not None:
            self._monkeypatch.setenv(TOKEN_VARIABLE, token)
        return output.getvalue()

    def _run_bash(self, block: Block) -> str | None:
        lines = block.text.replace("\\\n", " ").splitlines()
        checked = [line for line in lines if is_only_checked(line)]
        if checked:
            for line in lines:
                check_command(line)
            return None
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True, timeout=90, env=os.environ
        )
        assert result.returncode == 0, f"{block.place}: {result.stderr}{result.stdout}"
        return result.stdout


def assert_matches(block: Block, output: str) -> None:
    """The text is the output, line by line but for the space around."""
    expected = textwrap.dedent(block.text).strip()
    pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
    assert re.fullmatch(pattern, output.replace("\r", "").strip(), re.DOTALL), f"{block.place}: the output is\n{output}"
