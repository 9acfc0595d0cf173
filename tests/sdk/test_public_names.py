"""The public surface is a fact: sorted, documented, and light to import."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pipeyard
from pipeyard import AsyncCraftAiSdk, CraftAiSdk, SdkException
from pipeyard.sdk import errors
from tests.docs.pages import REFERENCE, Page

PAGE = Page(REFERENCE / "python-client.md")
FLOORS = ("api", "domain", "engine", "errors", "pod", "ports", "server", "services", "settings", "store", "wiring")


def test_the_public_names_are_sorted_and_there() -> None:
    constants = sorted(name for name in pipeyard.__all__ if name.isupper())
    assert pipeyard.__all__ == constants + sorted(name for name in pipeyard.__all__ if not name.isupper())
    for name in pipeyard.__all__:
        assert getattr(pipeyard, name) is not None
        assert name in dir(pipeyard)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        pipeyard.nonsense  # noqa: B018


@pytest.mark.parametrize("name", pipeyard.__all__)
def test_a_public_name_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE.text


def test_every_method_is_documented_with_its_parameters_and_no_other() -> None:
    methods = {
        name: [parameter.name for parameter in list(inspect.signature(method).parameters.values())[1:]]
        for name, method in inspect.getmembers(CraftAiSdk, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {row[0]: re.findall(r"\w+", row[1]) for row in PAGE.table("## Methods")} == methods


def test_every_error_is_documented_in_the_tree_and_public() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, SdkException):
            assert name in (errors.__doc__ or "")
            assert name in pipeyard.__all__


@pytest.mark.parametrize("kind", [CraftAiSdk, AsyncCraftAiSdk])
def test_every_method_says_what_it_does_and_is_typed(kind: type) -> None:
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_"):
            continue
        assert method.__doc__, name
        assert "Raises" in method.__doc__ or name in ("close", "iter_data_store_objects"), name
        signature = inspect.signature(method)
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not inspect.Parameter.empty, f"{name} {parameter.name}"


def test_importing_the_package_loads_nothing_and_the_client_no_server() -> None:
    lines = ("import sys, pipeyard", "print(*sys.modules)", "pipeyard.CraftAiSdk, pipeyard.AsyncCraftAiSdk")
    program = "; ".join((*lines, "print(*sys.modules)"))
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    bare, client = (set(line.split()) for line in result.stdout.splitlines())
    assert not {"httpx", "pipeyard.sdk"} & bare
    assert "pipeyard.sdk._sync.client" in client
    assert not {f"pipeyard.{floor}" for floor in FLOORS} & client
    assert not {"fastapi", "sqlalchemy", "uvicorn", "typer", "weaviate"} & client


def test_the_package_is_typed() -> None:
    assert Path(pipeyard.__file__).with_name("py.typed").exists()
