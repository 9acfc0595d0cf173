"""A few random requests to each operation, the same at each run; `make fuzz` asks for longer, and in sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from tests.api.applications import bare_application
from tests.fuzz.worlds import SETTINGS, UNASKED, configuration
from tests.platforms import Platform

PATHS = bare_application().openapi()["paths"]
OPERATIONS = sorted((method.upper(), path) for path, methods in PATHS.items() for method in methods)
CHECKS_UNASKED = [check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in UNASKED]
FEW = settings(
    max_examples=10,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Described:
    """What the server says of itself, and the parameters of paths that name something there."""

    schema: schemathesis.BaseSchema
    known: st.SearchStrategy[dict[str, str]]


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    platform = Platform(tmp_path_factory.mktemp("schemathesis"), **SETTINGS).start()
    config = configuration(platform)
    known = {
        parameter.removeprefix("path."): st.sampled_from(config["dictionaries"][binding["dictionary"]]["values"])
        for parameter, binding in config["parameters"].items()
    }
    url = f"{platform.url}/api/openapi.json"
    schema = schemathesis.openapi.from_url(url, config=SchemathesisConfig.from_dict(config))
    yield Described(schema, st.fixed_dictionaries(known))
    platform.stop()


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda part: part)
def test_an_operation_answers_as_described(described: Described, method: str, path: str) -> None:
    operation = described.schema[path][method]
    valid, invalid = (
        operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    )

    @FEW
    @given(case=valid | invalid | st.builds(_naming, valid, described.known))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=CHECKS_UNASKED)

    ask()


def _naming(case: schemathesis.Case, known: dict[str, str]) -> schemathesis.Case:
    """The same request about something that is there."""
    case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
    return case
