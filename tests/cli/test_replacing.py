"""What a deploy asks for, in which order, where a deployment that fires takes the place of another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeyard.cli.deploying.plans import Plan
from pipeyard.cli.deploying.replacing import LONG_AGO, NOT_YET, Wanted, serve
from pipeyard.sdk.errors import NotFoundError

OLD, NEW = "nightly-0123456789", "nightly-9876543210"
PLAN = cast(Plan, SimpleNamespace(name="nightly", pipeline_name=NEW, signature=SimpleNamespace(inputs=(), outputs=())))


class Asked:
    """A platform with the deployment `nightly` that notes what it is asked to change."""

    def __init__(self, *, can_start: bool = True) -> None:
        self.can_start = can_start
        self.changes: list[tuple[Any, ...]] = []

    def get_deployment(self, name: str) -> dict[str, Any]:
        if name != "nightly":
            raise NotFoundError("no deployment", 404)
        return {
            "name": name,
            "pipeline": {"name": OLD},
            "execution_rule": "periodic",
            "mode": "elastic",
            "is_enabled": True,
            "schedule_time_zone": "Europe/Paris",
            "schedule_paused_until": None,
        }

    def get_pipeline(self, name: str) -> dict[str, Any]:
        return {"creation_info": {"status": "ready"}}

    def create_deployment(self, pipeline: str, name: str, *given: Any, **options: Any) -> None:
        assert options["schedule_time_zone"] == "Europe/Paris"
        self.changes.append(("create", name, options["schedule_paused_until"]))
        if not self.can_start:
            raise KeyboardInterrupt

    def update_deployment(self, name: str, wait_for_completion: bool = True, **changes: Any) -> None:
        self.changes.append(("update", name, changes))

    def exchange_deployments(self, one: str, two: str) -> None:
        self.changes.append(("exchange", one, two))


def test_the_old_one_fires_until_the_new_one_is_up_and_never_do_both() -> None:
    asked = Asked()
    serve(cast(Any, asked), PLAN, Wanted("elastic", "0 4 * * *"))
    assert asked.changes == [
        ("create", OLD, NOT_YET),
        ("update", "nightly", {"is_enabled": False}),
        ("update", OLD, {"schedule_paused_until": LONG_AGO}),
        ("exchange", "nightly", OLD),
    ]


def test_a_deploy_that_ends_half_way_leaves_the_old_one_as_it_was() -> None:
    asked = Asked(can_start=False)
    with pytest.raises(KeyboardInterrupt):
        serve(cast(Any, asked), PLAN, Wanted("elastic", "0 4 * * *"))
    assert asked.changes == [("create", OLD, NOT_YET)]
