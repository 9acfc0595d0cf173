"""What is refused for now says so, and when to come back: a disk, a queue, too many wrong tokens."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response

from pipeyard.api.triggers import read_trigger
from pipeyard.domain.users import Environment, User
from pipeyard.errors import DiskError, QueueFullError
from pipeyard.services.identities import IdentityService, hash_token
from pipeyard.services.remembered import Remembered
from pipeyard.services.signed_urls import SignedUrls
from pipeyard.services.token_attempts import TokenAttempts
from pipeyard.settings import Settings
from tests.api.applications import bare_application

pytestmark = pytest.mark.anyio

SDK_TOKEN, MOST = "the-sdk-token-of-ada", 3
ENVIRONMENT = Environment("e", "default", datetime(2026, 11, 22, tzinfo=timezone.utc))


class Store:
    """One user."""

    async def find_user_by_token(self, sdk_token_hash: str) -> User | None:
        return User("u", "ada", "ada@localhost") if sdk_token_hash == hash_token(SDK_TOKEN) else None

    async def get_user(self, user_id: str) -> User:
        return User(user_id, "ada", "ada@localhost")


class Served:
    """The application with what these tests need behind it."""

    def __init__(self, **settings: Any) -> None:
        self.components: dict[str, Any] = {"store": {"status": "up"}}
        self.error: Exception | None = None
        identities = IdentityService(cast(Any, Store()), "0" * 64, 1800)
        self.app = bare_application(
            Settings(**settings),
            identities=identities,
            token_attempts=TokenAttempts(MOST),
            environments=Remembered(self._environment),
            data_store=SimpleNamespace(urls=SignedUrls(b"0" * 32, 60)),
            health=self._health,
        )
        self.app.add_route("/raises", self._raise, methods=["POST"])

    async def _environment(self, name: str) -> Environment:
        return ENVIRONMENT

    async def _health(self) -> dict[str, Any]:
        return self.components

    async def _raise(self, request: Request) -> Response:
        assert self.error is not None
        raise self.error

    def client(self, **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://testserver", **options)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with served.client() as opened:
        yield opened


async def me(client: httpx.AsyncClient, token: str, **headers: str) -> httpx.Response:
    return await client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}", **headers})


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/api/v1/auth/refresh", json={"refresh_token": token})


# --- disks and queues ---


async def test_health_is_red_with_the_reason_while_the_store_is_down(served: Served, client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/health")).status_code == 200
    served.components["store"] = {"status": "down", "info": "the disk of the data folder is full"}
    answer = await client.get("/api/v1/health")
    assert answer.status_code == 503
    assert answer.json()["store"]["info"] == "the disk of the data folder is full"


async def test_a_full_queue_is_no_reason_to_take_the_server_out(served: Served, client: httpx.AsyncClient) -> None:
    served.components["queue"] = {"status": "full", "info": "10 of 10 executions are open"}
    assert (await client.get("/api/v1/health")).status_code == 200


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DiskError("the disk of the data folder is failing"), "is failing"),
        (OSError(errno.ENOSPC, "no space left on device", "/secret/place"), "is full: free some room"),
        (OSError(errno.EROFS, "read-only file system", "/secret/place"), "is read-only"),
    ],
    ids=["a commit", "a file on a full disk", "a file on a read-only disk"],
)
async def test_what_the_disk_refuses_is_answered_with_the_reason(
    served: Served, client: httpx.AsyncClient, error: Exception, words: str
) -> None:
    served.error = error
    answer = await client.post("/raises")
    assert (answer.status_code, answer.json()["name"]) == (503, "Unavailable")
    assert words in answer.json()["message"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert "/secret/place" not in answer.text


async def test_other_errors_of_files_are_failures_of_the_platform(served: Served, client: httpx.AsyncClient) -> None:
    served.error = OSError(errno.EACCES, "permission denied")
    assert (await client.post("/raises")).status_code == 500


async def test_a_full_queue_says_the_position_and_when_to_come_back(served: Served, client: httpx.AsyncClient) -> None:
    served.error = QueueFullError("1000 executions are open", 1, position=1001)
    answer = await client.post("/raises")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json()["additional_data"] == {"retry_after_s": 1, "position": 1001}


async def test_a_full_queue_refuses_a_call_before_its_body_is_read() -> None:
    def check_room(deployment_id: str) -> None:
        raise QueueFullError(f"{deployment_id} is full", 1)

    async def receive() -> Any:
        raise AssertionError("the body was read")

    app = SimpleNamespace(
        state=SimpleNamespace(services=SimpleNamespace(executions=SimpleNamespace(check_room=check_room)))
    )
    request = Request({"type": "http", "app": app, "headers": []}, receive)
    with pytest.raises(QueueFullError, match="live is full"):
        async with read_trigger(request, cast(Any, SimpleNamespace(id="live"))):
            pass


# --- wrong tokens ---


async def test_after_too_many_wrong_tokens_an_address_is_told_to_come_back(client: httpx.AsyncClient) -> None:
    for _ in range(MOST):
        assert (await me(client, "wrong")).status_code == 401
    answer = await me(client, "wrong")
    assert (answer.status_code, answer.json()["name"]) == (429, "TooManyAttempts")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    # A right token that was never seen from there is not told from a wrong one: that is the point.
    assert (await refresh(client, SDK_TOKEN)).status_code == 429


async def test_what_was_right_before_works_on(client: httpx.AsyncClient) -> None:
    token = (await refresh(client, SDK_TOKEN)).json()["access_token"]
    assert (await me(client, token)).status_code == 200
    for _ in range(MOST):
        assert (await refresh(client, "wrong")).status_code == 401
    assert (await refresh(client, "wrong")).status_code == 429
    assert (await me(client, token)).status_code == 200
    assert (await refresh(client, SDK_TOKEN)).status_code == 200


async def test_wrong_tokens_of_all_kinds_count(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/data-store/content?token=wrong")).status_code == 403
    assert (await me(client, "wrong")).status_code == 401
    assert (await refresh(client, "wrong")).status_code == 401
    assert (await client.get("/api/v1/data-store/content?token=wrong")).status_code == 429


async def test_no_token_and_an_expired_one_are_no_attempts(client: httpx.AsyncClient) -> None:
    expired = IdentityService(cast(Any, Store()), "0" * 64, -10)
    token = await expired.refresh(SDK_TOKEN)
    for _ in range(MOST + 1):
        assert (await client.get("/api/v1/users/me")).status_code == 401
        assert "expired" in (await me(client, token)).text


async def test_behind_a_proxy_the_callers_address_is_the_one_that_the_proxy_saw() -> None:
    served = Served(public_url="https://pipeyard.example")
    async with served.client() as client:
        for number in range(MOST):
            claimed = f"192.0.2.{number}, 203.0.113.7"
            assert (await me(client, "wrong", **{"X-Forwarded-For": claimed})).status_code == 401
        assert (await me(client, "wrong", **{"X-Forwarded-For": "203.0.113.7"})).status_code == 429
        assert (await me(client, "wrong", **{"X-Forwarded-For": "203.0.113.8"})).status_code == 401


async def test_without_a_proxy_nobody_chooses_an_address(client: httpx.AsyncClient) -> None:
    for number in range(MOST):
        assert (await me(client, "wrong", **{"X-Forwarded-For": f"192.0.2.{number}"})).status_code == 401
    assert (await me(client, "wrong", **{"X-Forwarded-For": "192.0.2.99"})).status_code == 429
