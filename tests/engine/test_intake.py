"""Events become rows: in order, once, and the end of an execution only after all that belongs to it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pipeyard.domain.executions import Execution, ExecutionStatus, Outcome, PendingExecution
from pipeyard.domain.log_lines import LogBatch, Subject
from pipeyard.domain.mappings import Destination, OutputMapping
from pipeyard.domain.values import DataType
from pipeyard.engine.intake import Intake, Records
from pipeyard.engine.output_files import OutputFiles
from pipeyard.engine.retrying import Retrying
from pipeyard.errors import InvalidInputError, SyncError
from pipeyard.monitoring.prometheus import PrometheusMeters
from pipeyard.pod.protocol import Frame
from pipeyard.services.fire_times import FireTimes

LIMIT = 100


class SlowStores:
    """Store and log store at once: each write is noted when called and done when the test lets it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.writes: dict[str, asyncio.Future[Any]] = {}
        self.execution: Execution | None = None
        self.status = ExecutionStatus.SUCCEEDED

    def _write(self, name: str, what: Any) -> asyncio.Future[Any]:
        self.calls.append((name, what))
        return self.writes.setdefault(name, asyncio.get_running_loop().create_future())

    def start_execution(self, execution_id: str, server_id: str, at: Any, attempt: int) -> asyncio.Future[Any]:
        return self._write("start", execution_id)

    def finish_execution(self, execution_id: str, server_id: str, outcome: Outcome) -> asyncio.Future[Any]:
        return self._write("finish", outcome)

    def retry_execution(
        self, execution_id: str, server_id: str, outcome: Outcome, retry_at: datetime
    ) -> asyncio.Future[Any]:
        return self._write("retry", (outcome, retry_at))

    async def get_status(self, execution_id: str) -> ExecutionStatus:
        return self.status

    def append(self, batch: LogBatch) -> asyncio.Future[Any]:
        return self._write("log", batch)

    async def get_execution(self, execution_id: str) -> Execution | None:
        return self.execution

    def copy(self, path: str, target: str) -> asyncio.Future[Any]:
        return self._write("copy", (path, target))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


class Source:
    """A pod that notes what it is told."""

    pod_id = "pod"
    log_subject = (Subject.DEPLOYMENT, "deployment")

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.forgotten: list[str] = []
        self.resends = 0
        self.attempt = 1

    def acknowledge(self, number: int) -> None:
        self.acknowledged.append(number)

    def has(self, execution_id: str, attempt: int) -> bool:
        return execution_id == "e" and attempt == self.attempt and execution_id not in self.forgotten

    def forget(self, execution_id: str) -> None:
        self.forgotten.append(execution_id)

    def resend(self) -> None:
        self.resends += 1


class Scene:
    """An intake with everything around it."""

    def __init__(self, folder: Path, acknowledged: int = 0) -> None:
        self.stores, self.source, self.ended = SlowStores(), Source(), []
        records = Records(
            self.stores,  # type: ignore[arg-type]
            self.stores,  # type: ignore[arg-type]
            OutputFiles(folder, self.stores, self.stores),  # type: ignore[arg-type]
            "server",
            LIMIT,
            lambda execution_id, outcome: self.ended.append((execution_id, outcome is not None)),
            FireTimes(PrometheusMeters()),
            Retrying(),
        )
        self.retrying = records.retrying
        self.intake = Intake(self.source, records, acknowledged)

    def take(self, number: int, kind: str, body: bytes = b"", **header: Any) -> None:
        fields = {"type": kind, "n": number, "execution_id": "e", "at": 0, **header}
        self.intake.take(Frame(fields, body))

    async def done(self, name: str, answer: Any = True) -> None:
        self.stores.writes.pop(name).set_result(answer)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.anyio
async def test_an_execution_ends_only_after_its_lines_are_durable(scene: Scene) -> None:
    scene.take(1, "log", b"a line\n", stream="stdout")
    scene.take(2, "finished", b"{}", outcome="succeeded")
    await asyncio.sleep(0)
    assert scene.stores.names == ["log"]
    await scene.done("log")
    assert scene.stores.names == ["log", "finish"]
    assert scene.ended == []
    await scene.done("finish")
    assert scene.ended == [("e", True)]
    assert scene.source.forgotten == ["e"]


@pytest.mark.anyio
async def test_acknowledgements_never_run_ahead_of_a_write(scene: Scene) -> None:
    scene.take(1, "started")
    scene.take(2, "ready")
    scene.take(3, "log", b"x", stream="stderr")
    await asyncio.sleep(0)
    await scene.done("log")
    assert scene.source.acknowledged == []
    await scene.done("start")
    assert scene.source.acknowledged == [3]


@pytest.mark.anyio
async def test_an_event_that_comes_twice_counts_once(scene: Scene) -> None:
    scene.take(1, "started")
    scene.take(1, "started")
    assert scene.stores.names == ["start"]
    await scene.done("start")


@pytest.mark.anyio
async def test_what_was_acknowledged_before_is_not_applied_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, acknowledged=5)
    scene.take(5, "started")
    assert scene.stores.names == []


@pytest.mark.anyio
async def test_a_late_end_changes_nothing_and_is_told_apart(scene: Scene) -> None:
    scene.take(1, "finished", b"{}", outcome="succeeded")
    await asyncio.sleep(0)
    await scene.done("finish", answer=False)
    assert scene.ended == [("e", False)]


@pytest.mark.anyio
async def test_a_write_that_fails_is_asked_for_again(scene: Scene) -> None:
    scene.take(1, "started")
    scene.stores.writes.pop("start").set_exception(OSError("disk full"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.source.resends == 1
    assert scene.source.acknowledged == []


@pytest.mark.anyio
async def test_after_a_write_that_failed_nothing_is_taken_before_it_comes_again(scene: Scene) -> None:
    scene.take(1, "log", b"one\n", stream="stdout")
    scene.stores.writes.pop("log").set_exception(OSError("disk full"))
    for _ in range(5):
        await asyncio.sleep(0)
    scene.take(2, "log", b"two\n", stream="stdout")
    scene.take(3, "finished", b"{}", outcome="succeeded")
    await asyncio.sleep(0)
    assert scene.stores.names == ["log"]


@pytest.mark.anyio
async def test_lines_whose_predecessors_may_still_fail_say_what_they_come_after(scene: Scene) -> None:
    for number in (1, 2):
        scene.take(number, "log", b"line\n", stream="stdout")
    await scene.done("log")
    scene.take(3, "log", b"line\n", stream="stdout")
    assert [batch.after for _, batch in scene.stores.calls] == [None, 1, None]


async def _take_until_ended(scene: Scene) -> Outcome:
    async with asyncio.timeout(5):
        while "finish" not in scene.stores.names:  # noqa: ASYNC110  a thread writes the file
            await asyncio.sleep(0.001)
    outcome: Outcome = scene.stores.calls[-1][1]
    return outcome


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error", [SyncError("the disk is failing"), InvalidInputError("path", "is none"), KeyError("a")]
)
async def test_a_file_that_no_other_try_would_store_ends_the_execution(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refuse(path: str, place: Path) -> None:
        raise error

    monkeypatch.setattr(scene.stores, "take", refuse, raising=False)
    scene.take(1, "file", b"content", name="f", offset=0, last=True)
    outcome = await _take_until_ended(scene)
    assert outcome.status is ExecutionStatus.ERROR
    assert outcome.failure is not None
    assert "could not be stored" in outcome.failure.message
    assert scene.source.acknowledged == []
    await scene.done("finish")
    assert scene.source.acknowledged == [1]


@pytest.mark.anyio
@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_file_without_its_beginning_is_no_file(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_stored: bool
) -> None:
    async def find(path: str) -> object:
        return "whole, as an earlier server left it" if is_stored else None

    monkeypatch.setattr(scene.stores, "find", find, raising=False)
    scene.take(1, "file", b"the rest", name="f", offset=9, last=True)
    if not is_stored:
        outcome = await _take_until_ended(scene)
        assert outcome.status is ExecutionStatus.ERROR
        return
    async with asyncio.timeout(5):
        while not scene.source.acknowledged:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert scene.stores.names == []
    assert list((tmp_path / "e").iterdir()) == []


@pytest.mark.anyio
async def test_what_an_earlier_server_received_goes_at_the_end(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "e").mkdir()
    scene.take(2, "finished", b"{}", outcome="succeeded", files=["f"])
    for _ in range(5):
        await asyncio.sleep(0)
    await scene.done("finish")
    async with asyncio.timeout(5):
        while (tmp_path / "e").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"x": "' + b"a" * LIMIT + b'"}', "the limit is 100"),
        (b"[1]", "are no usable JSON object"),
        (b"{", "are no usable JSON object"),
        (b"\xff", "are no usable JSON object"),
    ],
)
@pytest.mark.anyio
async def test_outputs_that_cannot_be_kept_fail_the_execution(scene: Scene, body: bytes, said: str) -> None:
    scene.take(1, "finished", body, outcome="succeeded")
    await asyncio.sleep(0)
    ((_, outcome),) = scene.stores.calls
    assert outcome.status is ExecutionStatus.FAILED
    assert said in outcome.failure.message
    await scene.done("finish")


@pytest.mark.anyio
async def test_a_reason_of_the_wrong_shape_is_still_a_reason(scene: Scene) -> None:
    scene.take(1, "finished", b"{}", outcome="failed", failure={"kind": 3, "message": None})
    await asyncio.sleep(0)
    ((_, outcome),) = scene.stores.calls
    assert outcome.failure.kind == "platform"
    assert outcome.failure.message == "the pod reported no reason"
    await scene.done("finish")


@pytest.mark.parametrize("outcome", [[], None, "won"])
@pytest.mark.anyio
async def test_an_end_that_cannot_be_read_is_an_end_all_the_same(scene: Scene, outcome: object) -> None:
    scene.take(1, "finished", b"{}", outcome=outcome)
    await asyncio.sleep(0)
    ((_, end),) = scene.stores.calls
    assert end.status is ExecutionStatus.ERROR
    await scene.done("finish")
    assert scene.source.acknowledged == [1]


@pytest.mark.anyio
async def test_events_of_executions_that_the_pod_was_not_given_are_dropped(scene: Scene) -> None:
    for number, kind in enumerate(("started", "file", "finished"), 1):
        scene.take(number, kind, b"{}", execution_id="of another", outcome="succeeded", name="f", offset=0, last=True)
    await asyncio.sleep(0)
    assert scene.stores.calls == []
    assert scene.source.acknowledged[-1] == 3


@pytest.mark.parametrize("name", ["/tmp/x", "../../keys/x", "", "a/b", 1, None])
@pytest.mark.anyio
async def test_a_file_whose_name_is_a_path_is_not_written(scene: Scene, tmp_path: Path, name: object) -> None:
    scene.take(1, "file", b"forged", name=name, offset=0, last=True)
    await asyncio.sleep(0)
    assert list(tmp_path.iterdir()) == []
    assert scene.source.acknowledged == [1]


def _execution(status: ExecutionStatus = ExecutionStatus.RUNNING) -> Execution:
    """One with two file outputs, the first of which goes to the data store."""
    outputs = (
        OutputMapping("of", DataType.FILE, Destination.DATASTORE, "out/{execution_id}"),
        OutputMapping("other", DataType.FILE, Destination.ENDPOINT, "other"),
    )
    created_at = datetime(2026, 1, 2, tzinfo=timezone.utc)
    return Execution("e", "env", "p", "p", "d", "d", (), outputs, status, created_at, "u")


@pytest.mark.anyio
async def test_an_execution_ends_only_after_its_files_are_in_the_data_store(scene: Scene) -> None:
    scene.stores.execution = _execution()
    scene.take(1, "finished", b"{}", outcome="succeeded", files=["of", "other"])
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.stores.calls == [("copy", ("executions/e/outputs/of", "objects/env/out/e"))]
    await scene.done("copy")
    assert scene.stores.names == ["copy", "finish"]
    await scene.done("finish")
    assert scene.ended == [("e", True)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "outcome", "files"),
    [
        (ExecutionStatus.RUNNING, "failed", ["of"]),
        (ExecutionStatus.RUNNING, "succeeded", ["other"]),
        (ExecutionStatus.RUNNING, "succeeded", []),
        (ExecutionStatus.RUNNING, "succeeded", "of"),
        (ExecutionStatus.RUNNING, "succeeded", [5, None, ["of"]]),
        (ExecutionStatus.FAILED, "succeeded", ["of"]),  # it comes too late
    ],
)
async def test_nothing_else_reaches_the_data_store(
    scene: Scene, status: ExecutionStatus, outcome: str, files: Any
) -> None:
    scene.stores.execution = _execution(status)
    scene.take(1, "finished", b"{}", outcome=outcome, files=files)
    for _ in range(5):
        await asyncio.sleep(0)
    assert scene.stores.names == ["finish"]


WITH_RETRIES = PendingExecution(
    "e", "e", "p", "d", "", "", ExecutionStatus.RUNNING, retries_json='[1, 0, ["raised", "lost"]]'
)
RAISED = {"outcome": "failed", "failure": {"kind": "raised", "message": "no"}}


@pytest.mark.anyio
async def test_an_attempt_that_failed_is_followed_by_another_and_the_last_one_is_the_end(scene: Scene) -> None:
    submitted: list[PendingExecution] = []
    scene.retrying.submit = submitted.append
    scene.retrying.watch(WITH_RETRIES)
    scene.take(1, "finished", b"{}", **RAISED)
    await asyncio.sleep(0)
    assert scene.stores.names == ["retry"]
    await scene.done("retry")
    assert scene.ended == []
    assert [(one.attempt, one.status) for one in submitted] == [(2, ExecutionStatus.PENDING)]
    scene.source.forgotten.clear()
    scene.source.attempt = 2
    scene.take(2, "finished", b"{}", **RAISED)  # of the first attempt, sent again
    scene.take(3, "finished", b"{}", **RAISED, attempt=2)
    await asyncio.sleep(0)
    assert scene.stores.names == ["retry", "finish"]
    await scene.done("finish")
    assert scene.ended == [("e", True)]


@pytest.mark.anyio
async def test_a_success_and_a_failure_of_another_kind_are_final(scene: Scene) -> None:
    for number, end in enumerate(({"outcome": "succeeded"}, {"outcome": "failed", "failure": {"kind": "exited"}}), 1):
        scene.retrying.watch(WITH_RETRIES)
        scene.take(number, "finished", b"{}", **end)
        await asyncio.sleep(0)
        assert scene.stores.names[-1] == "finish"
        await scene.done("finish")
        scene.source.forgotten.clear()


@pytest.mark.anyio
async def test_the_end_of_an_attempt_that_was_followed_by_another_ends_nothing(scene: Scene) -> None:
    scene.stores.status = ExecutionStatus.PENDING  # in its second attempt
    scene.take(1, "finished", b"{}", **RAISED)
    await asyncio.sleep(0)
    await scene.done("finish", False)
    assert scene.ended == []
    assert scene.source.forgotten == ["e"]
