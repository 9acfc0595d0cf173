"""The synchronous client is the asynchronous one without waiting."""

from __future__ import annotations

import inspect
from pathlib import Path

from pipeyard import AsyncCraftAiSdk, CraftAiSdk
from pipeyard.sdk._async import effects as async_effects
from pipeyard.sdk._sync import effects as sync_effects
from tests.sdk.generate import BY_HAND, TARGET, generate


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    generate(tmp_path)
    committed = {path.name: path.read_text() for path in TARGET.glob("*.py") if path.name not in BY_HAND}
    assert {path.name: path.read_text() for path in tmp_path.glob("*.py")} == committed, "run: make generate"


def test_both_have_the_same_methods_with_the_same_parameters() -> None:
    assert _signatures(CraftAiSdk) == _signatures(AsyncCraftAiSdk)


def test_what_is_written_by_hand_has_the_same_names() -> None:
    public = [{name for name in vars(module) if not name.startswith("_")} for module in (async_effects, sync_effects)]
    own = {"asyncio", "Awaitable"}, {"threading", "time", "weakref", "ThreadPoolExecutor"}
    assert public[0] - own[0] == public[1] - own[1]


def _signatures(kind: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
