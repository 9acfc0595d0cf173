"""Runs each scenario for every client that has its methods, and keeps what it showed for the compatibility table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.compat.clients.environments import CLIENTS, ClientSpec
from tests.compat.clients.proxies import Client
from tests.compat.table import Showing
from tests.platforms import Platform

HERE = Path(__file__).parent
SHOWN = pytest.StashKey[list[Showing]]()
TABLE_MODULE = "test_table.py"


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SHOWN] = []
    config.addinivalue_line("markers", "proves(*methods, cell): the methods of a client that a scenario proves")
    config.addinivalue_line("markers", "generation(is_old): the clients that a scenario is for")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "client" not in metafunc.fixturenames:
        return
    wanted = set(metafunc.definition.get_closest_marker("proves").args)  # type: ignore[union-attr]
    generation = metafunc.definition.get_closest_marker("generation")
    specs = [
        spec for spec in CLIENTS if wanted <= spec.methods and (generation is None or spec.is_old is generation.args[0])
    ]
    metafunc.parametrize("client", specs, indirect=True, ids=[spec.name for spec in specs])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == TABLE_MODULE)  # it reads what the others showed


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A scenario that does not call what it says it proves proves nothing."""
    client = pyfuncitem.funcargs.get("client")
    if isinstance(client, Client):
        client.called.clear()
    result = yield
    if isinstance(client, Client):
        missing = set(pyfuncitem.get_closest_marker("proves").args) - client.called  # type: ignore[union-attr]
        assert not missing, f"the scenario never called {sorted(missing)}"
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[Any]:
    report = yield
    mark = item.get_closest_marker("proves")
    if mark is not None and (report.when == "call" or report.failed):
        spec: ClientSpec = item.callspec.params["client"]  # type: ignore[attr-defined]
        cell = mark.kwargs["cell"] if report.passed else "failed"
        item.config.stash[SHOWN] += [Showing(method, spec.name, cell) for method in mark.args]
    return report


@pytest.fixture
def shown(request: pytest.FixtureRequest) -> list[Showing]:
    """What every scenario of this run showed; skips unless all of them were asked for."""
    config = request.config
    collected = {item.path for item in request.session.items}
    is_part = any("::" in argument for argument in config.args) or any(
        config.getoption(option) for option in ("keyword", "markexpr", "lf", "deselect")
    )
    if is_part or not collected >= set(HERE.glob("test_*.py")):
        pytest.skip("the table is compared when all scenarios run: pytest tests/compat")
    return config.stash[SHOWN]


@pytest.fixture(scope="session")
def opened(platform: Platform) -> Iterator[dict[ClientSpec, Client]]:
    """One driver per client for the whole session, begun when it is first asked for."""
    with ExitStack() as stack:

        class Opened(dict[ClientSpec, Client]):
            def __missing__(self, spec: ClientSpec) -> Client:
                self[spec] = stack.enter_context(Client(spec, options_for(platform), {}))
                return self[spec]

        yield Opened()


@pytest.fixture
def client(request: pytest.FixtureRequest, opened: dict[ClientSpec, Client]) -> Client:
    """The client that the scenario is told of."""
    return opened[request.param]


def options_for(platform: Platform) -> dict[str, Any]:
    """What the constructor of every client needs."""
    token = platform.credentials["CRAFT_AI_SDK_TOKEN"]
    return {"sdk_token": token, "environment_url": platform.url, "control_url": platform.url, "verbose_log": False}
