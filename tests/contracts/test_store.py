"""What every store does: users, environments, variables, pipelines and deployments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from store_samples import INPUTS, NOON, TEMPLATE, deployment, environment, execution, later, pipeline, succeeded

from pipeyard.domain.deployments import DeploymentStatus
from pipeyard.domain.executions import Failure
from pipeyard.domain.pipelines import ContainerConfig, PipelineStatus
from pipeyard.domain.pods import PodFailure
from pipeyard.domain.projects import Project
from pipeyard.domain.users import User
from pipeyard.errors import ConflictError, NotFoundError, StoreError
from pipeyard.store.sqlite import SqliteStore
from pipeyard.store_ports import Store

pytestmark = pytest.mark.anyio

KEY = Fernet.generate_key()
STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite": lambda folder: SqliteStore.open(folder / "store.sqlite", KEY),
}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = STORES[request.param](tmp_path)
    await opened.add_environment(environment())
    await opened.add_environment(environment("other"))
    yield opened
    await opened.close()


async def test_a_user_is_found_by_the_hash_of_the_token(store: Store) -> None:
    ada = User("u1", "Ada", "ada@example.org")
    await store.add_user(ada, "hash-1", NOON)
    assert await store.find_user_by_token("hash-1") == ada
    assert await store.get_user("u1") == ada
    assert await store.find_user_by_token("hash-2") is None
    assert await store.get_user("u2") is None


async def test_a_token_belongs_to_one_user(store: Store) -> None:
    await store.add_user(User("u1", "Ada", "a@example.org"), "hash", NOON)
    with pytest.raises(ConflictError):
        await store.add_user(User("u2", "Bob", "b@example.org"), "hash", NOON)
    assert await store.get_user("u2") is None


async def test_environments_have_unique_names(store: Store) -> None:
    assert await store.get_environment("default") == environment()
    assert await store.get_environment("nowhere") is None
    with pytest.raises(ConflictError, match="default"):
        await store.add_environment(replace(environment(), id="another"))
    assert [found.name for found in await store.list_environments()] == ["default", "other"]


async def test_variables_are_replaced_and_deleted_by_name(store: Store) -> None:
    here, there = environment().id, environment("other").id
    await store.set_variables(here, {"B": "1", "A": "zwei\nZeilen é \ud800"})
    await store.set_variables(here, {"B": "2", "C": ""})
    await store.set_variables(there, {"B": "other"})
    assert list((await store.list_variables(here)).items()) == [("A", "zwei\nZeilen é \ud800"), ("B", "2"), ("C", "")]
    assert await store.delete_variable(here, "B") == "2"
    assert await store.delete_variable(here, "B") is None
    assert await store.list_variables(there) == {"B": "other"}


async def test_variables_of_an_unknown_environment_are_refused(store: Store) -> None:
    await store.set_variables("nowhere", {})
    with pytest.raises(NotFoundError):
        await store.set_variables("nowhere", {"A": "1"})


async def test_project_settings_come_back_as_they_were_set_for_one_environment(store: Store) -> None:
    here, there = environment().id, environment("other").id
    assert await store.get_project(here) == Project()
    config = ContainerConfig("python:3.9-slim", "git@host:code", "größe \ud800", None, (), ("git",))
    for project in (Project(config, "a key\nin lines"), Project(ContainerConfig(included_folders=None))):
        await store.set_project(here, project)
        assert await store.get_project(here) == project
    assert await store.get_project(there) == Project()


async def test_project_settings_of_an_unknown_environment_are_refused(store: Store) -> None:
    with pytest.raises(NotFoundError):
        await store.set_project("nowhere", Project())


async def test_a_pipeline_comes_back_as_it_was_stored(store: Store) -> None:
    stored = pipeline(commit_id="c0ffee", template=TEMPLATE)
    await store.add_pipeline(stored)
    assert await store.get_pipeline(stored.environment_id, stored.name) == stored
    assert await store.get_pipeline_by_id(stored.id) == stored
    assert await store.get_pipeline(environment("other").id, stored.name) is None
    assert await store.get_pipeline_by_id("nothing") is None


async def test_pipeline_names_are_unique_in_an_environment_only(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.add_pipeline(pipeline(environment_name="other"))
    with pytest.raises(ConflictError, match='"train"'):
        await store.add_pipeline(pipeline(id="another"))
    assert [found.name for found in await store.list_pipelines(environment().id)] == ["train"]


async def test_a_build_ends_once(store: Store) -> None:
    await store.add_pipeline(pipeline("young", created_at=later(1)))
    await store.add_pipeline(pipeline("old"))
    assert [found.name for found in await store.list_unbuilt_pipelines()] == ["old", "young"]
    assert await store.finish_build(pipeline("old").id, PipelineStatus.READY, "image-1")
    assert not await store.finish_build(pipeline("old").id, PipelineStatus.CREATION_FAILED, None)
    assert not await store.finish_build("nothing", PipelineStatus.READY, "image-2")
    assert await store.finish_build(pipeline("young").id, PipelineStatus.CREATION_FAILED, None)
    found = await store.get_pipeline_by_id(pipeline("old").id)
    assert found == pipeline("old", status=PipelineStatus.READY, image="image-1")
    assert await store.list_unbuilt_pipelines() == []
    assert await store.list_images() == {"image-1"}


async def test_a_deployment_comes_back_as_it_was_stored(store: Store) -> None:
    await store.add_pipeline(pipeline())
    stored = deployment()
    await store.add_deployment(stored)
    assert await store.get_deployment(stored.environment_id, "live") == stored
    assert await store.get_deployment_by_id(stored.id) == stored
    assert await store.find_deployment_by_path(stored.environment_id, "live") == stored
    assert await store.get_deployment(environment("other").id, "live") is None
    assert await store.find_deployment_by_path(environment("other").id, "live") is None


async def test_deployment_names_and_paths_are_unique_in_an_environment_only(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.add_pipeline(pipeline(environment_name="other"))
    await store.add_deployment(deployment())
    await store.add_deployment(deployment(environment_name="other"))
    with pytest.raises(ConflictError, match='deployment named "live"'):
        await store.add_deployment(deployment(id="another", endpoint_url_path="elsewhere"))
    with pytest.raises(ConflictError, match='path "live" is taken by the deployment "live"'):
        await store.add_deployment(deployment("second", endpoint_url_path="live"))
    await store.add_deployment(deployment("clock", endpoint_url_path=None, endpoint_token=None))
    await store.add_deployment(deployment("watch", endpoint_url_path=None, endpoint_token=None))


async def test_a_deployment_of_a_deleted_pipeline_is_refused(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.delete_pipeline(pipeline().id)
    with pytest.raises(ConflictError, match="deleted"):
        await store.add_deployment(deployment())


async def test_deployments_are_listed_by_environment_and_by_pipeline(store: Store) -> None:
    for made in (pipeline(), pipeline("score"), pipeline(environment_name="other")):
        await store.add_pipeline(made)
    await store.add_deployment(deployment("new", created_at=later(1)))
    await store.add_deployment(deployment("old"))
    await store.add_deployment(deployment("scorer", "score", created_at=later(2)))
    await store.add_deployment(deployment("far", environment_name="other", created_at=later(3)))

    async def names(environment_id: str | None, pipeline_id: str | None = None) -> list[str]:
        return [found.name for found in await store.list_deployments(environment_id, pipeline_id)]

    assert await names(None) == ["old", "new", "scorer", "far"]
    assert await names(environment().id) == ["old", "new", "scorer"]
    assert await names(environment().id, pipeline("score").id) == ["scorer"]
    assert await names(None, pipeline().id) == ["old", "new"]


async def test_only_what_a_user_can_change_is_updated(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.add_deployment(deployment())
    wanted = deployment(
        is_enabled=False,
        inputs_mapping=INPUTS[:1],
        outputs_mapping=(),
        endpoint_token="another-token",
        updated_at=later(5),
        updated_by="bob",
    )
    other = replace(wanted, name="x", created_by="bob", execution_timeout_s=1, status=DeploymentStatus.DISABLED)
    assert await store.update_deployment(other)
    assert await store.get_deployment_by_id(wanted.id) == wanted
    assert await store.set_deployment_status(wanted.id, DeploymentStatus.UP)
    assert await store.get_deployment_by_id(wanted.id) == replace(wanted, status=DeploymentStatus.UP)


async def test_two_deployments_exchange_their_addresses_and_nothing_else(store: Store) -> None:
    await store.add_pipeline(pipeline())
    one = deployment(endpoint_url_path="at", endpoint_token="token-of-one")
    two = deployment("next", endpoint_url_path="beside", endpoint_token="token-of-two", is_enabled=False)
    await store.add_deployment(one)
    await store.add_deployment(two)
    assert await store.exchange_deployments(one.id, two.id, later(7), "bob")
    stamp = {"updated_at": later(7), "updated_by": "bob"}
    taken = {
        "name": "live",
        "endpoint_url_path": "at",
        "endpoint_token": "token-of-one",
        "endpoint_id": "endpoint-live",
    }
    moved = replace(two, **taken, **stamp)
    assert await store.get_deployment_by_id(two.id) == moved
    assert await store.find_deployment_by_path(environment().id, "at") == moved
    assert await store.get_deployment(environment().id, "next") == replace(
        one,
        name="next",
        endpoint_url_path="beside",
        endpoint_token="token-of-two",
        endpoint_id="endpoint-next",
        **stamp,
    )
    assert not await store.exchange_deployments(one.id, "nothing", later(8), "bob")
    assert await store.get_deployment_by_id(two.id) == moved


async def test_a_deployment_keeps_why_its_last_pod_failed(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.add_deployment(deployment())
    first = PodFailure(Failure("platform", "no interpreter"), NOON)
    last = PodFailure(
        Failure("out_of_memory", "é \udcff", "more", None, "SIGKILL", None, 2 << 30, 1 << 30), later(1), "pod-1"
    )
    for failure in (first, last):
        assert await store.set_pod_failure(deployment().id, failure)
    assert await store.update_deployment(replace(deployment(), is_enabled=False))
    found = await store.get_deployment_by_id(deployment().id)
    assert found is not None
    assert found.last_pod_failure == last


async def test_what_is_gone_cannot_be_changed(store: Store) -> None:
    assert not await store.update_deployment(deployment())
    assert not await store.set_deployment_status("nothing", DeploymentStatus.UP)
    assert not await store.set_pod_failure("nothing", PodFailure(Failure("lost", "gone"), NOON))
    assert await store.delete_deployment("nothing") == []
    assert await store.delete_pipeline("nothing") == []


async def test_deleting_a_deployment_deletes_its_executions_alone(store: Store) -> None:
    await store.add_pipeline(pipeline())
    await store.add_deployment(deployment())
    await store.add_execution(execution("deployed", deployed_as="live"), "s1")
    await store.add_execution(execution("run"), "s1")
    assert await store.delete_deployment(deployment().id) == ["deployed"]
    assert await store.get_execution("deployed") is None
    assert await store.get_execution("run") is not None


async def test_deleting_a_pipeline_deletes_its_deployments_and_executions(store: Store) -> None:
    for made in (pipeline(), pipeline("kept")):
        await store.add_pipeline(made)
    await store.add_deployment(deployment())
    await store.add_execution(execution("deployed", deployed_as="live"), "s1")
    await store.add_execution(execution("run"), "s1")
    await store.add_execution(execution("other", "kept"), "s1")
    assert sorted(await store.delete_pipeline(pipeline().id)) == ["deployed", "run"]
    assert await store.get_deployment_by_id(deployment().id) is None
    assert await store.get_execution("run") is None
    assert not await store.finish_execution("run", "s1", succeeded())
    assert await store.get_execution("other") is not None


async def test_a_closed_store_refuses_writes_and_closes_again(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.add_server("s1", NOON)
    await store.close()


@pytest.mark.parametrize("make", STORES.values(), ids=STORES)
async def test_everything_is_there_after_a_restart(make: Callable[[Path], Store], tmp_path: Path) -> None:
    first = make(tmp_path)
    await first.add_environment(environment())
    await first.set_variables(environment().id, {"A": "1"})
    await first.add_pipeline(pipeline())
    await first.add_deployment(deployment())
    await first.add_server("s1", NOON)
    await first.close()
    second = make(tmp_path)
    assert await second.list_variables(environment().id) == {"A": "1"}
    assert await second.get_deployment_by_id(deployment().id) == deployment()
    with pytest.raises(ConflictError):
        await second.add_server("s1", NOON)
    await second.close()
