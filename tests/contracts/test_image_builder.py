"""The contract of ports.ImageBuilder, over the virtual environments. No network: packages are made by the tests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeyard.domain.pipelines import ContainerConfig, Input, PipelineDeclaration
from pipeyard.domain.values import DataType
from pipeyard.errors import BuildError
from pipeyard.images.commands import Command, run_for_text
from pipeyard.images.venv import VenvImageBuilder
from pipeyard.ports import BuildRequest, ImageBuilder

pytestmark = pytest.mark.anyio
LANGUAGE = f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
LOCAL = "--no-index\n--find-links wheels\n"
# A build backend without dependencies: what a source distribution does when it is built.
BACKEND = """
import os, sys, subprocess, time
def build_wheel(*_, **__):
    {body}
def get_requires_for_build_wheel(*_):
    return []
"""


def declaration(requirements: str | None = None, language: str = LANGUAGE, name: str = "run") -> PipelineDeclaration:
    config = ContainerConfig(language, requirements_path=requirements)
    return PipelineDeclaration("p", "main.py", name, None, (Input("a", DataType.STRING),), (), config)


def make_wheel(folder: Path, name: str, version: str, source: str) -> None:
    files = {
        f"{name}.py": source,
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        record = ""
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(text.encode())}\n"
            wheel.writestr(path, text)
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", f"{record}{name}-{version}.dist-info/RECORD,,\n")


def make_source(folder: Path, body: str) -> None:
    folder.mkdir()
    (folder / "backend.py").write_text(BACKEND.format(body=body))
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "probe"\nversion = "1"\n'
    )


class Site:
    """A builder, the code to build for, and what the log said."""

    def __init__(self, folder: Path) -> None:
        self.images = folder / "images"
        self.code = folder / "code"
        self.code.mkdir()
        (self.code / "main.py").write_text("def run(a): ...\n")
        make_wheel(self.code / "wheels", "tinypackage", "1.2", "import sys\nANSWER = 42\n")
        self.environment = {**os.environ, "UV_CACHE_DIR": str(folder / "cache")}
        self.builder = self.make_builder()
        self.lines: list[str] = []

    def make_builder(self, timeout_s: float = 60.0, keep_unused_s: float = 3600.0) -> VenvImageBuilder:
        return VenvImageBuilder(
            self.images, timeout_s=timeout_s, keep_unused_s=keep_unused_s, environment=self.environment
        )

    def request(self, requirements: str | None = None, **variables: str) -> BuildRequest:
        if requirements is not None:
            (self.code / "requirements.txt").write_text(requirements)
        return BuildRequest(declaration("requirements.txt" if requirements else None), self.code, variables)

    async def build(self, requirements: str | None = None, **variables: str) -> str:
        return await self.builder.build(self.request(requirements, **variables), self.lines.append)

    async def refuse(self, requirements: str | None = None, **variables: str) -> str:
        with pytest.raises(BuildError) as caught:
            await self.build(requirements, **variables)
        self.check_nothing_is_left()
        return caught.value.message

    def check_nothing_is_left(self) -> None:
        assert not self.images.exists() or not [path for path in self.images.iterdir() if path.name.startswith(".")]

    async def run(self, image: str, source: str) -> str:
        python = str(self.builder.path(image) / "bin" / "python")
        status, text = await run_for_text(Command([python, "-c", source], self.code, {}))
        assert status == 0, text
        return text


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_the_builder_is_the_port(site: Site) -> None:
    port: ImageBuilder = site.builder
    assert LANGUAGE in await port.languages()


async def test_a_language_that_is_not_there_is_refused_with_those_that_are(site: Site) -> None:
    with pytest.raises(BuildError, match=rf'"python:3\.77-slim" is not available.*{LANGUAGE}'):
        await site.builder.build(BuildRequest(declaration(language="python:3.77-slim"), site.code, {}), print)


async def test_without_requirements_the_image_is_a_plain_environment(site: Site) -> None:
    image = await site.build()
    assert await site.run(image, "import sys; print(sys.prefix != sys.base_prefix, *sys.version_info[:2])") == (
        f"True {sys.version_info[0]} {sys.version_info[1]}"
    )


async def test_requirements_are_installed_and_compiled(site: Site) -> None:
    image = await site.build(LOCAL + "tinypackage")
    assert await site.run(image, "import tinypackage; print(tinypackage.ANSWER)") == "42"
    assert list(site.builder.path(image).rglob("tinypackage.cpython-*.pyc"))
    assert any("tinypackage" in line for line in site.lines)
    assert not any(str(site.images) in line for line in site.lines)


async def test_equal_needs_share_an_image_and_others_do_not(site: Site) -> None:
    plain = await site.build()
    first = await site.build(LOCAL + "tinypackage")
    (site.code / "main.py").write_text("def run(a):\n    return {}\n")
    assert await site.build() == plain
    assert await site.build(LOCAL + "# only a comment") != first
    make_wheel(site.code / "wheels", "tinypackage", "1.3", "ANSWER = 43\n")
    second = await site.build(LOCAL + "tinypackage")
    assert second not in (plain, first)
    assert await site.run(second, "import tinypackage; print(tinypackage.ANSWER)") == "43"
    assert await site.run(first, "import tinypackage; print(tinypackage.ANSWER)") == "42"


async def test_the_same_image_asked_for_at_once_is_built_once(site: Site) -> None:
    (site.code / "once").mkdir()
    make_source(site.code / "probe", f"open({str(site.code.parent / 'built')!r}, 'a').write('x'); sys.exit('stop')")
    request = site.request("./probe")
    results = await asyncio.gather(
        *(site.builder.build(request, site.lines.append) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, BuildError) for result in results)
    assert (site.code.parent / "built").read_text() == "x"
    assert any("is being built already" in line for line in site.lines)


async def test_an_image_is_found_again_by_another_builder(site: Site) -> None:
    image = await site.build(LOCAL + "tinypackage")
    site.builder = site.make_builder()
    site.lines.clear()
    assert await site.build(LOCAL + "tinypackage") == image
    assert "shared" in site.lines[-1]


async def test_an_image_whose_interpreter_is_gone_is_built_again(site: Site) -> None:
    image = await site.build()
    python = site.builder.path(image) / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python")
    assert await site.build() == image
    assert await site.run(image, "print(1)") == "1"


async def test_values_of_variables_are_used_but_never_logged(site: Site) -> None:
    await site.build(LOCAL + "tinypackage==${TINY_VERSION}", TINY_VERSION="1.2")
    assert " + tinypackage==${TINY_VERSION}" in site.lines
    message = await site.refuse(
        "--no-index\nprobe @ https://user:${TOKEN}@localhost:1/${TOKEN}/probe-1.tar.gz", TOKEN="s3cr et/value"
    )
    for text in (message, *site.lines):
        assert "value" not in text
        assert "s3cr" not in text
    assert "${TOKEN}" in message


async def test_no_value_stays_on_the_disk(site: Site) -> None:
    await site.build(LOCAL + "tinypackage ; python_version != '${MARK}'", MARK="7777.8888")
    for path in site.images.rglob("*"):
        assert not path.is_file() or b"7777.8888" not in path.read_bytes()


async def test_a_variable_that_is_not_there_is_named(site: Site) -> None:
    assert "${NOPE}" in await site.refuse("six==${NOPE}")


async def test_a_package_that_does_not_exist_is_refused_with_a_remedy(site: Site) -> None:
    message = await site.refuse(LOCAL + "tinypackage==9.9")
    assert "tinypackage==9.9" in message
    assert "What to do: " in message
    assert any("tinypackage==9.9" in line for line in site.lines)


async def test_a_line_that_is_no_requirement_is_refused(site: Site) -> None:
    assert "correct that line" in await site.refuse("this is not a requirement\n")


async def test_a_package_that_cannot_be_built_is_refused_with_its_own_words(site: Site) -> None:
    make_source(site.code / "probe", "sys.exit('no compiler here')")
    message = await site.refuse("-e ./probe")
    assert "no compiler here" in message
    assert "system_dependencies" in message


async def test_a_package_sees_nothing_of_the_servers_environment(site: Site) -> None:
    site.environment["PIPEYARD_SECRET_KEY"] = "hush"
    site.builder = site.make_builder()
    make_source(site.code / "probe", "sys.exit(repr(sorted(os.environ)))")
    message = await site.refuse("./probe", USED="x")
    assert "PATH" in message
    assert "PIPEYARD" not in message
    assert "USED" not in message


async def test_a_build_that_takes_too_long_is_stopped_with_all_its_processes(site: Site) -> None:
    site.builder = site.make_builder(timeout_s=1.0)
    pids = site.code.parent / "pids"
    make_source(site.code / "probe", _endless(pids))
    message = await site.refuse("./probe")
    assert "PIPEYARD_BUILD_TIMEOUT_S" in message
    _check_gone(pids)


async def test_a_cancelled_build_leaves_no_process_and_no_folder(site: Site) -> None:
    pids = site.code.parent / "pids"
    os.mkfifo(pids)
    make_source(site.code / "probe", _endless(pids))
    building = asyncio.ensure_future(site.build("./probe"))
    line = await asyncio.to_thread(pids.read_text)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    pids.unlink()
    pids.write_text(line)
    _check_gone(pids)
    site.check_nothing_is_left()


async def test_one_who_goes_away_does_not_end_the_build_for_others(site: Site) -> None:
    gate = site.code.parent / "gate"
    os.mkfifo(gate)
    make_source(site.code / "probe", f"open({str(gate)!r}).read(); sys.exit('the end')")
    first = asyncio.ensure_future(site.build("./probe"))
    second = asyncio.ensure_future(site.build("./probe"))
    opened = asyncio.ensure_future(asyncio.to_thread(gate.open, "w"))
    writer = await opened
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await asyncio.to_thread(writer.close)
    with pytest.raises(BuildError, match="the end"):
        await second
    site.check_nothing_is_left()


async def test_what_a_build_leaves_running_ends_with_it(site: Site) -> None:
    pids = site.code.parent / "pids"
    make_source(site.code / "probe", _left_running(pids))
    await site.refuse("./probe")
    _check_gone(pids)


async def test_a_function_that_is_not_there_fails_before_the_packages_are_installed(site: Site) -> None:
    (site.code / "main.py").write_text("def runs(a): ...\n")
    assert 'did you mean "runs"?' in await site.refuse("six==${NOPE}")


async def test_system_packages_that_are_not_installed_are_named(site: Site) -> None:
    config = ContainerConfig(LANGUAGE, system_dependencies=("dpkg", "pipeyard-no-such-package"))
    wanted = PipelineDeclaration("p", "main.py", "run", None, (Input("a", DataType.STRING),), (), config)
    with pytest.raises(BuildError) as caught:
        await site.builder.build(BuildRequest(wanted, site.code, {}), print)
    if "no dpkg" not in caught.value.message:
        assert "apt-get install pipeyard-no-such-package;" in caught.value.message


async def test_unused_images_go_and_used_ones_stay(site: Site) -> None:
    plain, other = await site.build(), await site.build(LOCAL + "tinypackage")
    (site.images / ".building-crashed").mkdir()
    (site.images / ".removing-crashed").mkdir()
    await site.builder.remove_unused({plain})
    assert {path.name for path in site.images.iterdir()} == {plain, other}  # it was built a moment ago
    await site.make_builder(keep_unused_s=0).remove_unused({plain})
    assert {path.name for path in site.images.iterdir()} == {plain}


async def test_what_is_being_built_is_not_removed(site: Site) -> None:
    gate = site.code.parent / "gate"
    os.mkfifo(gate)
    make_source(site.code / "probe", f"open({str(gate)!r}).read(); sys.exit('the end')")
    building = asyncio.ensure_future(site.build("./probe"))
    writer = await asyncio.to_thread(gate.open, "w")
    await site.builder.remove_unused(set())
    assert [path.name[:10] for path in site.images.iterdir()] == [".building-"]
    await asyncio.to_thread(writer.close)
    with pytest.raises(BuildError, match="the end"):
        await building


@pytest.mark.parametrize("name", ["..", "../x", "", "a/b", "x" * 32])
def test_only_names_of_images_have_a_path(site: Site, name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of an image"):
        site.builder.path(name)


def _endless(pids: Path) -> str:
    child = "child = subprocess.Popen(['sleep', '1000'])"
    return f"{child}; open({str(pids)!r}, 'w').write('%d %d' % (os.getpid(), child.pid)); child.wait()"


def _left_running(pids: Path) -> str:
    # Of its own streams: uv waits for all that write to the backend's.
    streams = "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    child = f"child = subprocess.Popen(['sleep', '1000'], {streams})"
    return f"{child}; open({str(pids)!r}, 'w').write(str(child.pid)); sys.exit('done')"


def _check_gone(pids: Path, is_gone: Callable[[str], bool] = lambda pid: _state(pid) in ("", "Z")) -> None:
    named = pids.read_text().split()
    assert named
    assert all(is_gone(pid) for pid in named)


def _state(pid: str) -> str:
    """Z: killed, and left to whoever adopts orphans here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return ""
