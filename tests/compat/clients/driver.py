"""Runs one client in its environment, standard library alone: a call per JSON line on stdin, its outcome on stdout.

`python driver.py MODULE:CLASS`; the first call is `__init__`. With `--methods` it prints the public methods instead.
Values that JSON does not have are objects with the key `$`, which names their kind.
"""

import base64
import importlib
import inspect
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator
from datetime import datetime

ATTRIBUTES = ("message", "name", "status_code", "request_id", "additional_data")


class Driver:
    """The client, and the buffers that the call under way writes to."""

    def __init__(self, class_path):
        module, _, name = class_path.partition(":")
        self.module = importlib.import_module(module)
        self.type = getattr(self.module, name)
        self.client = None
        self.sinks = []

    def methods(self):
        """The names of its public methods."""
        return [name for name, _ in inspect.getmembers(self.type, inspect.isfunction) if not name.startswith("_")]

    def answer(self, call):
        """The outcome of one call: its result or its error, what it wrote and what it warned of."""
        self.sinks = []
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                outcome = {"result": encode(self.do(call))}
            except Exception as error:
                outcome = {"error": self.describe(error)}
        written = [encode(sink.getvalue()) for sink in self.sinks]
        return {**outcome, "written": written, "warnings": [str(one.message) for one in warned]}

    def do(self, call):
        """What the client returns."""
        positional = [self.decode(value) for value in call["positional"]]
        named = {name: self.decode(value) for name, value in call["named"].items()}
        if call["method"] == "__init__":
            self.client = self.type(*positional, **named)
            return None
        return getattr(self.client, call["method"])(*positional, **named)

    def describe(self, error):
        """What a user sees of an error; of the client's own tree its root, which every version has."""
        root = self.module.SdkException
        kind = root if isinstance(error, root) else type(error)
        attributes = {name: encode(getattr(error, name, None)) for name in ATTRIBUTES}
        return {"kind": kind.__name__, "text": str(error), "attributes": attributes}

    def decode(self, value):
        """The value that the test meant."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$" not in value:
            return {key: self.decode(item) for key, item in value.items()}
        return getattr(self, "_" + value["$"])(value)

    def _bytes(self, value):
        return base64.b64decode(value["base64"])

    def _stream(self, value):
        return io.BytesIO(base64.b64decode(value["base64"]))

    def _sink(self, _):
        self.sinks.append(io.BytesIO())
        return self.sinks[-1]

    def _instant(self, value):
        return datetime.fromisoformat(value["text"])

    def _member(self, value):
        return getattr(getattr(self.module, value["enumeration"]), value["name"])

    def _made(self, value):
        named = {name: self.decode(item) for name, item in value["named"].items()}
        return getattr(self.module, value["class"])(*(self.decode(item) for item in value["positional"]), **named)


def encode(value):
    """The value as JSON, whatever the client returned."""
    if isinstance(value, dict):
        if "$" in value:
            raise ValueError("a key that this driver uses itself")
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, Iterator)):
        return [encode(item) for item in value]
    if isinstance(value, bytes):
        return {"$": "bytes", "base64": base64.b64encode(value).decode()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    return {"$": "object", "type": type(value).__name__}


def main():
    """Answer until stdin ends. The client's own output goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    driver = Driver(sys.argv[1])
    if "--methods" in sys.argv:
        answers.write(json.dumps(driver.methods()))
        return
    for line in sys.stdin:
        answers.write(json.dumps(driver.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
