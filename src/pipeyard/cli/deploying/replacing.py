"""The steps that have a plan served: pipeline, deployment, and the one before out of the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pipeyard.cli.deploying.plans import HASH_LENGTH, Plan
from pipeyard.errors import ConflictError, InvalidInputError
from pipeyard.sdk.errors import CreationFailedError, NotFoundError

if TYPE_CHECKING:
    from pipeyard import CraftAiSdk

OPEN = ("Pending", "Running")
USABLE = ("up", "standby")
# What `pipeyard deployment schedule` has said stands, whatever the code is; so does a pause, see `_hand_over`.
KEPT_OPTIONS = ("schedule_time_zone", "schedule_jitter_s", "schedule_overlap", "schedule_catch_up_s")
NOT_YET, LONG_AGO = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2199, 2000))  # whoever's clock is wrong


@dataclass(frozen=True)
class Wanted:
    """How the plan is to be served. With a schedule the deployment is periodic."""

    mode: str
    schedule: str | None

    @property
    def rule(self) -> str:
        """The execution rule."""
        return "endpoint" if self.schedule is None else "periodic"


@dataclass(frozen=True)
class Served:
    """The deployment now. `change`: created, replaced, updated, unchanged. `former`: the name of the one before."""

    deployment: Mapping[str, Any]
    change: str
    former: str | None = None


def serve(sdk: CraftAiSdk, plan: Plan, wanted: Wanted) -> Served:
    """Create, or replace without a gap. Raises InvalidInputError, SdkException; then what served before still does."""
    current = _find(sdk, plan.name)
    if current is not None:
        _check_replaceable(current, plan, wanted)
        if _is_same(current, plan, wanted):
            return _keep(sdk, current, wanted)
    _ensure_pipeline(sdk, plan)
    if current is None:
        return Served(_create(sdk, plan, wanted, plan.name, {}, keeps_pipeline=False), "created")
    return _replace(sdk, plan, wanted, current)


def _find(sdk: CraftAiSdk, name: str) -> Mapping[str, Any] | None:
    try:
        return sdk.get_deployment(name)
    except NotFoundError:
        return None


def is_version(pipeline_name: str, name: str) -> bool:
    """Whether a pipeline (or the deployment it once served) was made by a deploy of that name."""
    return bool(re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{{HASH_LENGTH}}}", pipeline_name))


def _check_replaceable(current: Mapping[str, Any], plan: Plan, wanted: Wanted) -> None:
    runs = current["pipeline"]["name"]
    if not is_version(runs, plan.name):
        problem = f'a deployment of that name runs the pipeline "{runs}", which was not made by `pipeyard deploy`'
        raise InvalidInputError("--name", problem, f"another name, or first `pipeyard deployment delete {plan.name}`")
    if current["execution_rule"] != wanted.rule:
        problem = f'"{plan.name}" is {_called(current["execution_rule"])} now, not {_called(wanted.rule)}'
        raise InvalidInputError("--schedule", problem, f"first `pipeyard deployment delete {plan.name}`")


def _called(rule: str) -> str:
    return "an endpoint" if rule == "endpoint" else "periodic"


def _is_same(current: Mapping[str, Any], plan: Plan, wanted: Wanted) -> bool:
    is_same = current["pipeline"]["name"] == plan.pipeline_name and current["mode"] == wanted.mode
    return is_same and current["status"] in (*USABLE, "disabled")


def _keep(sdk: CraftAiSdk, current: Mapping[str, Any], wanted: Wanted) -> Served:
    change = "unchanged"
    if wanted.schedule is not None and current.get("schedule") != wanted.schedule:
        current, change = sdk.update_deployment(current["name"], schedule=wanted.schedule), "updated"
    if not current["is_enabled"]:
        current, change = sdk.update_deployment(current["name"], is_enabled=True), "updated"
    return Served(current, change)


def _ensure_pipeline(sdk: CraftAiSdk, plan: Plan) -> None:
    """The pipeline of this content, built. One that failed before is tried again: packages may be there by now."""
    name = plan.pipeline_name
    status: str | None
    try:
        status = sdk.get_pipeline(name)["creation_info"]["status"]
        if status == "creation_pending":
            status = sdk.get_pipeline(name, wait_for_completion=True)["creation_info"]["status"]
    except (NotFoundError, CreationFailedError) as error:
        status = None if isinstance(error, NotFoundError) else "creation_failed"
    if status == "ready":
        return
    if status is not None:
        sdk.delete_pipeline(name)
    try:
        with plan.staged() as staged:
            sdk.create_pipeline(
                name,
                plan.entry_path,
                plan.function_name,
                plan.signature.description,
                plan.container_config(staged),
                plan.signature.inputs,
                plan.signature.outputs,
            )
    except CreationFailedError:
        sdk.delete_pipeline(name)
        raise


def _replace(sdk: CraftAiSdk, plan: Plan, wanted: Wanted, current: Mapping[str, Any]) -> Served:
    # What serves now is to have the name of its content: the new one begins under it, then both trade names.
    former = current["pipeline"]["name"]
    if _find(sdk, former) is not None:
        sdk.delete_deployment(former)
    keeps_pipeline = former == plan.pipeline_name
    if wanted.rule == "periodic":
        kept = {name: current.get(name) for name in KEPT_OPTIONS} | {"schedule_paused_until": NOT_YET}
    else:
        kept = {"endpoint_url_path": former, "endpoint_token": current["endpoint_token"]}
    _create(sdk, plan, wanted, former, kept, keeps_pipeline=keeps_pipeline)
    if wanted.rule == "periodic":
        _hand_over(sdk, current, former)
    sdk.exchange_deployments(plan.name, former)
    return Served(sdk.get_deployment(plan.name), "replaced", former)


def _hand_over(sdk: CraftAiSdk, current: Mapping[str, Any], new_name: str) -> None:
    """The new one is up, and paused, or both would fire. It gets the pause of the one before, or none."""
    sdk.update_deployment(current["name"], is_enabled=False, wait_for_completion=False)
    paused_until = current.get("schedule_paused_until")
    until = LONG_AGO if paused_until is None else datetime.fromisoformat(paused_until.replace("Z", "+00:00"))
    sdk.update_deployment(new_name, schedule_paused_until=until)


def _create(
    sdk: CraftAiSdk, plan: Plan, wanted: Wanted, name: str, kept: Mapping[str, Any], *, keeps_pipeline: bool
) -> Mapping[str, Any]:
    """A deployment that is up, with what is kept of the one before. One that cannot start leaves nothing behind."""
    try:
        return sdk.create_deployment(
            plan.pipeline_name,
            name,
            wanted.rule,
            wanted.mode,
            schedule=wanted.schedule,
            timeout_s=None,
            **_mappings(plan, wanted),
            **kept,
        )
    except CreationFailedError:
        sdk.delete_deployment(name) if keeps_pipeline else sdk.delete_pipeline(plan.pipeline_name, True)
        raise


def _mappings(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    """A clock sends nothing: inputs have their default values, outputs go nowhere. Raises InvalidInputError."""
    from pipeyard.sdk.declarations import InputSource, OutputDestination

    if wanted.rule == "endpoint":
        return {}
    required = [one.name for one in plan.signature.inputs if one.is_required]
    if required:
        problem = f"a schedule sends no inputs, and {', '.join(required)} must have one"
        raise InvalidInputError("--schedule", problem, "default values in the function")
    sources = [
        InputSource(one.name, is_null=True)
        if one.default_value is None
        else InputSource(one.name, constant_value=one.default_value)
        for one in plan.signature.inputs
    ]
    destinations = [OutputDestination(one.name, is_null=True) for one in plan.signature.outputs]
    return {"inputs_mapping": sources, "outputs_mapping": destinations}


def retire(sdk: CraftAiSdk, name: str, former: str) -> None:
    """Let the one before end what it has accepted; the ones before that go, with their pipelines."""
    sdk.update_deployment(former, is_enabled=False, wait_for_completion=False)
    deployments = sdk.list_deployments()
    for deployment in deployments:
        is_older = is_version(deployment["name"], name) and deployment["name"] != former
        if is_older and is_version(deployment["pipeline_name"], name) and not _is_busy(sdk, deployment):
            sdk.delete_deployment(deployment["name"])
    used = {row["pipeline_name"] for row in sdk.list_deployments()}
    for row in sdk.list_pipelines():
        pipeline = row["pipeline_name"]
        if is_version(pipeline, name) and pipeline not in used and row["status"] != "creation_pending":
            sdk.delete_pipeline(pipeline)


def find_pipelines(sdk: CraftAiSdk, name: str, runs: str) -> list[str]:
    """What goes with a deployment: the pipeline that it runs, and all that a deploy made before.

    Raises ConflictError when deployments that are somebody else's run one of them.
    """
    found = [row["pipeline_name"] for row in sdk.list_pipelines()]
    wanted = [one for one in found if is_version(one, name)] if is_version(runs, name) else [runs]
    others = [
        row["name"]
        for row in sdk.list_deployments()
        if row["pipeline_name"] in wanted and row["name"] != name and not is_version(row["name"], name)
    ]
    if others:
        raise ConflictError(
            f"nothing was deleted: {', '.join(others)} would lose the pipeline too; delete the deployment without "
            "--with-pipelines, or all of it by `pipeyard pipeline delete PIPELINE --with-deployments`"
        )
    return wanted


def delete_pipelines(sdk: CraftAiSdk, name: str, pipelines: list[str]) -> None:
    """Delete them, with what deployments of former versions there are."""
    for pipeline in pipelines:
        sdk.delete_pipeline(pipeline, force_deployments_deletion=is_version(pipeline, name))


def _is_busy(sdk: CraftAiSdk, deployment: Mapping[str, Any]) -> bool:
    rows = sdk.list_pipeline_executions(deployment["pipeline_name"])
    return any(row["status"] in OPEN and row["deployment_name"] == deployment["name"] for row in rows)
