"""What Schemathesis is told of this API: bytes that are an archive, and what only looks like a failure."""

from __future__ import annotations

import itertools
import zlib
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.failures import Failure
from schemathesis.transport.serialization import Binary

from tests.api.bad_requests import tar

MAIN = b"def main(**inputs):\n    return inputs\n"
# Of the world's own: later requests need them. Names that begin so are never deleted nor disabled.
KEPT = "kept"
LOW_LATENCY_MAX = 4

schemathesis.openapi.format(
    "binary", st.one_of(st.just(Binary(tar({"main.py": MAIN}))), st.binary(max_size=200).map(Binary))
)

_creations: set[str] = set()  # ids of the cases that `map_case` made valid creations of pipelines of


@schemathesis.hook
def map_case(context: Any, case: schemathesis.Case) -> schemathesis.Case:
    """Half of the valid creations can succeed: chance alone finds neither a function in an archive nor a pipeline."""
    body = case.body
    is_valid = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if not is_valid or not isinstance(body, dict) or len(str(body)) % 2:
        return case
    if "step_file" in body:
        kept = {key: body[key] for key in ("description", "step_file") if key in body}
        name = f"made-{zlib.crc32(str(body).encode())}"
        _creations.add(case.id)
        case.body = kept | {"pipeline_name": name, "function_path": "main.py", "function_name": "main"}
    elif {"pipeline_name", "name"} <= body.keys():
        case.body = {"pipeline_name": f"{KEPT}-pipeline", "name": body["name"], "mode": body.get("mode")}
    return case


_low_latency = itertools.count(1)


@schemathesis.hook
def filter_case(context: Any, case: schemathesis.Case) -> bool:
    """Keep what later requests need, and the machine usable: each low latency deployment is a running pod.

    The log of a deployment is followed until somebody deletes it: nobody would.
    """
    name = str((case.path_parameters or {}).get("name", ""))
    if case.method in ("DELETE", "PATCH") and name.startswith(KEPT):
        return False
    if case.path.endswith("/deployments/{name}/logs") and str((case.query or {}).get("follow")).lower() == "true":
        return False
    body = case.body if isinstance(case.body, dict) else {}
    if body.get("mode") == "low_latency":
        return next(_low_latency) <= LOW_LATENCY_MAX
    return True


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: schemathesis.Case, response: schemathesis.Response) -> bool:
    """What is no failure of the server."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData":
        # A body with bytes in it that has been changed is taken for invalid, whatever it is.
        return case.id not in _creations
    if kind == "ServerError":
        # An execution that did not succeed: its 500 is described, with the reason in it.
        return response.json()["name"] not in ("ExecutionFailed", "ExecutionError")
    return True
