"""`pipeyard deploy`: from a folder to an endpoint, and on the same name again, without a gap."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.shells import Shell
from tests.platforms import eventually

ADD = '''
def add(a: float, b: float = {b}):
    """Add two numbers.

    Args:
        a: The first.
    """
    print("adding")
    return {{"total": a + b}}
'''
OBJECTS = """
import asyncio
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Optional

class Unit(Enum):
    CM = "cm"

@dataclass
class Point:
    x: float
    y: float = 0

async def work(
    point: Point, unit: Unit = Unit.CM, table: Optional[Path] = None, more=[1], pair: tuple = (1, 2)
) -> Path:
    await asyncio.sleep(0)
    assert isinstance(point, Point) and isinstance(unit, Unit) and more == [1] and pair == (1, 2)
    place = Path("out.txt")
    place.write_text(f"{point.x} {unit.name} {table.read_text() if table else 'none'}")
    return place
"""


def _names(shell: Shell, name: str) -> tuple[list[str], list[str]]:
    """The deployments and the pipelines of a deploy of that name."""
    sdk = shell.platform.sdk
    deployments = [row["name"] for row in sdk.list_deployments() if row["name"].startswith(name)]
    pipelines = [row["pipeline_name"] for row in sdk.list_pipelines() if row["pipeline_name"].startswith(name)]
    return deployments, pipelines


def test_a_folder_becomes_an_endpoint_that_can_be_called(fresh: Shell) -> None:
    folder = fresh.folder("sum it up!", ADD.format(b=2.5), example_json='{"a": 1}')
    (folder / "named\udcff.txt").touch()  # no text, but a name of a file
    done = fresh("deploy", folder)
    assert done.err == "adding\n"
    assert done.out.splitlines()[:5] == [
        "sum-it-up: main.py:add",
        "  Add two numbers.",
        "  input   a: number  The first.",
        "  input   b: number = 2.5",
        "  output  total: number",
    ]
    assert "created: sum-it-up is up\n" in done.out
    assert done.out.endswith("the first call returned\n  total = 3.5\n")
    curl = next(line.strip() for line in done.out.splitlines() if line.startswith("  curl "))
    answer = subprocess.run(["curl", "-s", *shlex.split(curl)[1:]], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["outputs"] == {"total": 3.5}
    deployment = fresh.platform.sdk.get_deployment("sum-it-up")
    assert deployment["mode"] == "low_latency"
    assert deployment["inputs_mapping"][0]["description"] == "The first."


def test_the_same_again_does_nothing(fresh: Shell) -> None:
    folder = fresh.folder("again", ADD.format(b=1))
    first = fresh("deploy", folder, "--json", "--call", "a=1").json
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("cached")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    second = fresh("deploy", folder, "--json", "--call", "a=2").json
    assert (first["change"], second["change"]) == ("created", "unchanged")
    assert second["pipeline_name"] == first["pipeline_name"]
    assert second["result"]["outputs"] == {"total": 3}
    assert second["url"] == f"{fresh.platform.url}/endpoints/again"
    # Disabled by hand, it is wanted again.
    fresh("deployment", "disable", "again")
    assert fresh("deploy", folder, "--json").json["change"] == "updated"
    assert fresh.platform.call(second["deployment"], {"a": 1}).json()["outputs"] == {"total": 2}


def test_other_code_takes_the_place_with_the_same_address_and_token(fresh: Shell) -> None:
    folder = fresh.folder("moved", ADD.format(b=1))
    first = fresh("deploy", folder, "--json").json
    asked = fresh.platform.call(first["deployment"], {"a": 1}, headers={"Prefer": "respond-async"})
    made = [first["pipeline_name"]]
    for b in (10, 20):
        fresh.folder("moved", ADD.format(b=b))
        done = fresh("deploy", folder, "--json", "--call", "a=1").json
        made.append(done["pipeline_name"])
        assert done["change"] == "replaced"
        assert done["result"]["outputs"] == {"total": 1 + b}
        assert done["deployment"]["endpoint_token"] == first["deployment"]["endpoint_token"]
        assert fresh.platform.call(first["deployment"], {"a": 1}).json()["outputs"] == {"total": 1 + b}
        if b == 10:  # whoever called before still gets what was accepted
            assert httpx.get(asked.headers["location"]).json()["outputs"] == {"total": 2}
    # The one before stays, disabled; what was before that is gone.
    assert _names(fresh, "moved") == ([made[1], "moved"], made[1:])
    assert fresh.platform.sdk.get_deployment(made[1])["is_enabled"] is False


def test_a_deploy_can_be_removed_with_all_that_it_made(fresh: Shell) -> None:
    folder = fresh.folder("gone", ADD.format(b=1))
    said = fresh("deploy", folder).out
    assert said.endswith("\nnot called: a has no value; --call a=...\n")
    curl = next(line for line in said.splitlines() if line.startswith("  curl "))
    called = subprocess.run(["curl", "-sL", *shlex.split(curl)[1:]], capture_output=True, check=True, timeout=60)
    assert json.loads(called.stdout)["outputs"] == {"total": 1}
    fresh("deploy", folder, "--name", "gone-else")
    fresh.folder("gone", ADD.format(b=2))
    fresh("deploy", folder)
    deployments, pipelines = _names(fresh, "gone-")
    done = fresh("deployment", "delete", "gone", "--with-pipelines", "--json").json
    assert sorted(done["pipelines"]) == sorted(one for one in pipelines if not one.startswith("gone-else"))
    assert _names(fresh, "gone") == (
        [one for one in deployments if one.startswith("gone-else")],
        [one for one in pipelines if one.startswith("gone-else")],
    )


def test_going_back_needs_no_build(fresh: Shell) -> None:
    folder = fresh.folder("back", ADD.format(b=1))
    first = fresh("deploy", folder, "--json").json
    fresh.folder("back", ADD.format(b=2))
    second = fresh("deploy", folder, "--json").json
    fresh.folder("back", ADD.format(b=1))
    third = fresh("deploy", folder, "--json", "--call", "a=0").json
    assert third["pipeline_name"] == first["pipeline_name"]
    assert third["result"]["outputs"] == {"total": 1}
    assert sorted(_names(fresh, "back")[0]) == ["back", second["pipeline_name"]]


def test_another_mode_takes_the_place_too(fresh: Shell) -> None:
    folder = fresh.folder("modes", ADD.format(b=1))
    first = fresh("deploy", folder, "--json").json
    second = fresh("deploy", folder, "--mode", "elastic", "--json").json
    assert (second["change"], second["deployment"]["mode"]) == ("replaced", "elastic")
    assert second["pipeline_name"] == first["pipeline_name"]
    fresh("deploy", folder, "--mode", "low_latency")
    assert _names(fresh, "modes") == ([first["pipeline_name"], "modes"], [first["pipeline_name"]])


def test_no_call_fails_while_new_code_takes_the_place(fresh: Shell) -> None:
    folder = fresh.folder("busy", ADD.format(b=1))
    deployment = fresh("deploy", folder, "--json").json["deployment"]
    seen: Counter[Any] = Counter()
    is_over = threading.Event()

    def call() -> None:
        headers = {"Authorization": f"EndpointToken {deployment['endpoint_token']}"}
        with httpx.Client(headers=headers, timeout=60) as client:
            while not is_over.is_set():
                answer = client.post(f"{fresh.platform.url}/endpoints/busy", json={"a": 0})
                seen[answer.json()["outputs"]["total"] if answer.status_code == 200 else answer.text] += 1

    callers = [threading.Thread(target=call) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        for b in (2, 3):
            fresh.folder("busy", ADD.format(b=b))
            fresh("deploy", folder)
            assert eventually(lambda: seen[b] > 3 or not all(isinstance(key, int) for key in seen))  # noqa: B023
    finally:
        is_over.set()
        for caller in callers:
            caller.join()
    assert set(seen) == {1, 2, 3}


@pytest.mark.parametrize(
    ("source", "requirements", "said"),
    [
        ("def add(a):\n    return {'x': a}\n", "no-such-package-anywhere==9\n", "no-such-package-anywhere"),
        ("import nowhere_to_be_found\ndef add(a):\n    return {'x': a}\n", "", "No module named 'nowhere_to_be_found'"),
        ("def add(a):\n    return a.b\n", "", "cannot tell which outputs"),
    ],
    ids=["packages", "import", "outputs"],
)
def test_what_cannot_be_served_leaves_what_serves(fresh: Shell, source: str, requirements: str, said: str) -> None:
    folder = fresh.folder("kept", ADD.format(b=1))
    first = fresh("deploy", folder, "--json").json
    fresh.folder("kept", source, requirements_txt=requirements)
    done = fresh("deploy", folder, status=1)
    assert said in done.err.splitlines()[-1]
    assert fresh.platform.call(first["deployment"], {"a": 1}).json()["outputs"] == {"total": 2}
    assert _names(fresh, "kept") == (["kept"], [first["pipeline_name"]])
    # And a first deploy that fails leaves nothing.
    fresh("deploy", folder, "--name", "never", status=1)
    assert _names(fresh, "never") == ([], [])


def test_a_deploy_that_was_killed_half_way_is_finished_by_the_next(fresh: Shell) -> None:
    folder = fresh.folder("half", ADD.format(b=1))
    first = fresh("deploy", folder, "--json").json
    # What it had made: the new one, under the name that the old one was to take.
    sdk = fresh.platform.sdk
    sdk.create_deployment(first["pipeline_name"], first["pipeline_name"], "endpoint")
    fresh.folder("half", ADD.format(b=2))
    assert fresh("deploy", folder, "--json").json["change"] == "replaced"
    assert fresh.platform.call(first["deployment"], {"a": 1}).json()["outputs"] == {"total": 3}


def test_a_first_call_that_fails_says_why_and_leaves_the_endpoint(fresh: Shell) -> None:
    folder = fresh.folder("failing", "def main(x=1):\n    raise ValueError('as asked')\n")
    done = fresh("deploy", folder, "--json", status=1)
    assert done.err.splitlines()[-1].endswith("failed: ValueError: as asked")
    assert (done.json["deployment"]["name"], done.json["result"]) == ("failing", None)
    assert fresh.platform.sdk.get_deployment("failing")["status"] == "up"


def test_a_function_gets_the_objects_that_its_annotations_say(fresh: Shell) -> None:
    folder = fresh.folder("objects", OBJECTS, example_json='{"point": {"x": 3}, "table": "rows.txt"}', rows_txt="1,2")
    done = fresh("deploy", folder, "--json").json
    assert {one["name"]: one["data_type"] for one in done["inputs"]} == {
        "point": "json",
        "unit": "string",
        "table": "file",
        "more": "array",
        "pair": "array",
    }
    assert done["result"]["outputs"] == {"result": {"size_bytes": 8}}
    fresh("call", "objects", 'point={"x": 4}', "unit=cm", "--output-dir", "out")
    assert Path("out/result").read_text() == "4 CM none"
    failed = fresh("call", "objects", 'point={"z": 4}', status=1)
    assert 'ValueError: the input "point" cannot be made into Point' in failed.err


def test_python_and_packages_come_from_the_folder(fresh: Shell) -> None:
    source = "import sys\ndef main():\n    return {'version': list(sys.version_info[:2])}\n"
    folder = fresh.folder("versions", source)
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\nrequires-python = ">=3.9,<3.11"\ndependencies = []\n'
    )
    assert fresh("deploy", folder, "--json").json["result"]["outputs"] == {"version": [3, 10]}
    (folder / ".python-version").write_text("3.11.4\n")
    assert fresh("deploy", folder, "--json").json["result"]["outputs"] == {"version": [3, 11]}


def test_a_schedule_makes_it_periodic(fresh: Shell, needs: Callable[[str], None]) -> None:
    with fresh.platform.http() as http:
        refused = http.post("/api/v1/periodic-deployment", json={}).json()["message"]
    if "not supported" in refused:
        pytest.skip(refused)
    folder = fresh.folder("clock", "def main(x=3):\n    return {'y': x}\n")
    done = fresh("deploy", folder, "--schedule", "0 4 * * *", "--json").json
    assert (done["change"], done["url"], done["result"]) == ("created", None, None)
    assert done["deployment"]["schedule"] == "0 4 * * *"
    assert fresh("deploy", folder, "--schedule", "0 5 * * *", "--json").json["change"] == "updated"
    for pause in ("2127-01-01T00:00:00.000Z", None):  # what was said of the schedule stays when the code changes
        said = ("--time-zone", "Europe/Paris", "--overlap", "skip", "--jitter", "60", "--catch-up", "100")
        fresh("deployment", "schedule", "clock", *said, "--paused-until", pause or "now")
        fresh.folder("clock", f"def main(x=4):\n    return {{'y': x, 'z': {pause!r}}}\n")
        done = fresh("deploy", folder, "--schedule", "0 5 * * *")
        assert "replaced: clock is up\n  At 05:00 AM (Europe/Paris)\n" in done.out
        found = fresh.platform.sdk.get_deployment("clock")
        options = [value for key, value in found.items() if key.startswith("schedule_")]
        assert options == ["Europe/Paris", 60, pause, "skip", 100]
        assert found["is_enabled"]
        assert (found["next_fire_at"] > "2127") is bool(pause)
    assert found["inputs_mapping"][0]["constant_value"] == 4
    assert "is periodic now, not an endpoint" in fresh("deploy", folder, status=1).err
    fresh.folder("clock", "def main(x):\n    return {'y': x}\n")
    assert (
        "a schedule sends no inputs, and x must have one"
        in fresh("deploy", folder, "--schedule", "0 5 * * *", "--name", "clock2", status=1).err
    )


def test_the_example_of_the_repository_is_a_folder_to_deploy() -> None:
    from pipeyard.cli.deploying.folders import find_example
    from pipeyard.cli.deploying.plans import choose_name, make_plan
    from tests.docs.pages import ROOT

    folder = ROOT / "examples" / "digits"
    plan = make_plan(folder, choose_name(folder, None), None, list)
    assert (plan.name, plan.function_path, plan.function_name) == ("digits", "predict.py", "predict")
    assert [one.name for one in plan.signature.inputs] == list(find_example(folder) or {}) == ["images"]
