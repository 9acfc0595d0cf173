"""The reference is complete: nothing can be added to the product without its line there."""

from __future__ import annotations

import configparser
import re

from pipeyard import errors
from pipeyard.api import monitoring
from pipeyard.api.app import MODULES
from pipeyard.api.endpoints import ROUTES
from pipeyard.api.errors import STATUS_CODES
from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.domain.executions import ExecutionStatus
from pipeyard.pod.protocol import FailureKind
from pipeyard.wire import API_PREFIX
from tests.docs.cli_page import cli_page, list_commands, own_parameters
from tests.docs.pages import DOCS, REFERENCE, ROOT, Page
from tests.docs.settings_page import settings_page

API = Page(REFERENCE / "api.md")
STATUSES = Page(REFERENCE / "execution-statuses.md")
CLI = Page(REFERENCE / "cli.md")
PRODUCT_PAGE = Page(REFERENCE / "product-page.md")

# Raised while the server starts, or turned into the state of something: never the answer to a call by its own name.
# Some are for those at the machine, some have other names.
NEVER_ANSWERED = {"ExecutionEnded", "Build", "Pod", "Settings", "Disk", "Sync", "CommandLine"}


def test_the_page_of_settings_is_what_the_settings_say() -> None:
    written = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    assert written == settings_page(), "run: python -m tests.docs.settings_page"


def test_every_route_is_documented_and_no_other() -> None:
    routes = {
        (method, API_PREFIX + route.path)
        for module in MODULES
        for route in module.router.routes
        for method in route.methods
    }
    routes |= {(method, route.path) for route in ROUTES for method in route.methods - {"HEAD"}}
    routes |= {(method, route.path) for route in monitoring.router.routes for method in route.methods}
    assert set(re.findall(r"^\| `([A-Z]+) (/\S+)` \|", API.text, re.MULTILINE)) == routes


def test_every_error_is_documented_with_its_status() -> None:
    documented = {row[0]: int(row[1]) for row in API.table("## Error names")}
    for error in _all_errors(errors.PipeyardError):
        name = error.__name__.removesuffix("Error")
        status = next(STATUS_CODES[kind] for kind in error.__mro__ if kind in STATUS_CODES)
        if name not in NEVER_ANSWERED:
            assert documented.get(name) == status, name
    assert documented["ExecutionFailed"] == documented["ExecutionError"] == 500


def test_every_status_of_an_execution_is_documented() -> None:
    assert [row[0] for row in STATUSES.table("## Statuses")] == [status.value for status in ExecutionStatus]


def test_every_kind_of_failure_is_documented() -> None:
    kinds = [value for name, value in vars(FailureKind).items() if name.isupper()]
    assert [row[0] for row in STATUSES.table("## Failure kinds")] == kinds


def test_every_status_of_a_deployment_is_documented() -> None:
    rows = STATUSES.table("## Statuses of a deployment")
    assert [row[0] for row in rows] == [status.value for status in DeploymentStatus]


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    assert CLI.text == cli_page(), "run: python -m tests.docs.cli_page"


def test_every_command_option_and_argument_has_a_help() -> None:
    for words, command in list_commands():
        assert command.help, words
        assert [one.name for one in own_parameters(command) if not one.help] == [], words


def test_every_floor_is_in_the_table_in_its_order() -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = re.findall(r"pipeyard\.(\w+)", parser["importlinter:contract:floors"]["layers"])
    rows = Page(ROOT / "CONTRIBUTING.md").table("## The floors")
    assert [name for row in rows for name in re.findall(r"\w+", row[0])] == layers


def test_every_rule_of_the_product_page_names_what_proves_it() -> None:
    rows = [line for line in PRODUCT_PAGE.text.splitlines() if line.startswith("| ") and not line.startswith("| Rule")]
    rules = [row for row in rows if not row.startswith("| ---")]
    assert len(rules) > 50
    for rule in rules:
        proof = rule.rstrip("| ").rpartition(" | ")[2]
        assert re.search(r"`(tests/[\w/]+\.py::\w+|bench/[\w/]+\.py)`", proof), rule
    for path in re.findall(r"`(bench/[\w/]+\.py)`", PRODUCT_PAGE.text):
        assert (ROOT / path).exists(), path


def test_the_tests_named_on_the_product_pages_table_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PRODUCT_PAGE.text)
    assert named
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_decisions_are_numbered_without_gaps_and_have_their_parts() -> None:
    pages = [Page(path) for path in sorted((DOCS / "decisions").glob("[0-9]*.md"))]
    assert [int(page.path.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        assert [anchor for anchor in ("context", "choice", "cost") if anchor not in page.anchors] == [], page.name


def _all_errors(kind: type[errors.PipeyardError]) -> list[type[errors.PipeyardError]]:
    below = [found for child in kind.__subclasses__() for found in _all_errors(child)]
    return [*kind.__subclasses__(), *below]
