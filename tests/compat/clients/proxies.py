"""What stands for a client in a test: its methods, carried out by a driver in the client's own environment."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

from tests.compat.clients.environments import DRIVER, ClientSpec
from tests.compat.clients.values import Sink, decode, encode


class ClientError(Exception):
    """What the client raised. `kind`: its class, or SdkException; `text`: what a user reads; the rest as there."""

    def __init__(self, kind: str, text: str, attributes: dict[str, Any]) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text
        self.message: str = attributes["message"]
        self.name: str | None = attributes["name"]
        self.status_code: int | None = attributes["status_code"]
        self.request_id: str | None = attributes["request_id"]
        self.additional_data: Any = attributes["additional_data"]


class Client:
    """A client of one platform; each of its methods is an attribute. `called` is shared by all that `again` makes."""

    def __init__(
        self, spec: ClientSpec, options: dict[str, Any], variables: dict[str, str], called: set[str] | None = None
    ) -> None:
        self.spec = spec
        self.is_old = spec.is_old
        self.options = options  # of its constructor
        self.called: set[str] = set() if called is None else called
        self.warnings: list[str] = []  # of the last call
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [str(spec.python), str(DRIVER), spec.class_path],
            env={"PATH": os.defpath, "PYTHONNOUSERSITE": "1"} | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        try:
            self._call("__init__", **options)
        except BaseException:
            self.close()
            raise

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method not in self.spec.methods:
            raise AttributeError(f"{self.spec.name} has no method {method}")

        def call(*positional: Any, **named: Any) -> Any:
            self.called.add(method)
            return self._call(method, *positional, **named)

        return call

    def again(self, variables: dict[str, str] | None = None, **options: Any) -> Client:
        """Another of the same version, in a process of its own, with other options or variables. Close it."""
        return Client(self.spec, self.options | options, variables or {}, self.called)

    def _call(self, method: str, *positional: Any, **named: Any) -> Any:
        sinks = [value for value in (*positional, *named.values()) if isinstance(value, Sink)]
        call = {"method": method, "positional": encode(list(positional)), "named": encode(named)}
        with self._one_at_a_time:
            answer = self._exchange(json.dumps(call))
            self.warnings = answer["warnings"]
        for sink, content in zip(sinks, answer["written"], strict=True):
            sink.content = decode(content)
        if "error" in answer:
            raise ClientError(**decode(answer["error"]))
        return decode(answer["result"])

    def _exchange(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the driver of {self.spec.name} ended"
        exchanged: dict[str, Any] = json.loads(answer)
        return exchanged

    def close(self) -> None:
        """End its process."""
        self._process.communicate()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
