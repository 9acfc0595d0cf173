"""Both clients, called in the same way by one test."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from pipeyard import AsyncCraftAiSdk, CraftAiSdk

KINDS = ("sync", "async")
BASE = "http://pipeyard.test"
API = "/api/v1"


class Blocking:
    """An asynchronous client whose methods return when they are done."""

    def __init__(self, sdk: AsyncCraftAiSdk) -> None:
        self._sdk = sdk
        self._loop = asyncio.new_event_loop()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sdk, name)
        if not inspect.ismethod(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            result = found(*args, **options)
            if inspect.isasyncgen(result):
                return self._iterate(result)
            return self._loop.run_until_complete(result)

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                yield self._loop.run_until_complete(anext(items))
        except StopAsyncIteration:
            return
        finally:
            self._loop.run_until_complete(items.aclose())

    def close(self) -> None:
        self._loop.run_until_complete(self._sdk.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


class FakeTime:
    """A clock that stands still until something waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds

    async def pause_async(self, seconds: float) -> None:
        self.pause(seconds)


Answer = Any  # JSON, (status, JSON), an exception, or a function of the request


class FakeServer:
    """Answers by method and path, in order; the last answer stays. `requests` is what came, tokens left out."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.refreshes = 0
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self.on("POST", f"{API}/auth/refresh", lambda _: self._refresh())

    def _refresh(self) -> Answer:
        self.refreshes += 1
        return {"access_token": f"token-{self.refreshes}"}

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self._answers[method, path] = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        answers = self._answers.get((request.method, path))
        if answers is None:
            return httpx.Response(
                404, json={"name": "NotFound", "message": f"there is no {request.method} {path} here"}
            )
        if not path.endswith("/auth/refresh"):
            self.requests.append(request)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        while callable(answer) and not isinstance(answer, type):
            answer = answer(request)
        if isinstance(answer, (Exception, type)):
            raise answer
        if isinstance(answer, httpx.Response):
            return answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, content=json.dumps(body), headers={"Content-Type": "application/json"})

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.requests]


def make_client(kind: str, transport: Callable[..., httpx.Response], time: FakeTime, **options: Any) -> Any:
    """A client of a fake server, on a fake clock."""
    options = {"verbose_log": False, "http_transport": httpx.MockTransport(transport)} | options
    if kind == "async":
        return Blocking(AsyncCraftAiSdk("sdk-token", BASE, pause=time.pause_async, **options))
    return CraftAiSdk("sdk-token", BASE, pause=time.pause, **options)


def real_client(kind: str, credentials: dict[str, str], **options: Any) -> Any:
    """A client of a real server."""
    arguments = (credentials["CRAFT_AI_SDK_TOKEN"], credentials["CRAFT_AI_ENVIRONMENT_URL"])
    options = {"verbose_log": False} | options
    return Blocking(AsyncCraftAiSdk(*arguments, **options)) if kind == "async" else CraftAiSdk(*arguments, **options)
