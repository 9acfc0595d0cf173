"""The frames between server and supervisor, and between supervisor and worker.

A frame is 4 bytes header length, 4 bytes body length (both big-endian), a JSON header, a binary body. `type` names it.

Server to supervisor
    hello        protocol, acked           opens every connection; `acked`: the last event that the server has stored
    environment  body: JSON {name: value}  all variables of the executions that start from now on; those with the
                                           platform's prefix (CRAFT_AI_) stay when a later frame lacks them
    file         execution_id, attempt, name, offset, last; body: a chunk of an input file, before its `execute`
    execute      execution_id, attempt (1 is the first; none runs twice), files: [name]; timeout_s, start_timeout_s (or
                                           null): of the function, of the import in an elastic pod; body: JSON {input:
                                           value} without the files
    ack          n                         events up to n are stored and may be forgotten
    cancel       execution_id              ends it if it has not ended; a `def` in a thread goes on, and the pod ends
                                           once nothing else runs
    stop         grace_s                   takes no more executions; ends when none runs, or the grace passes

Supervisor to server
    welcome      protocol, pod_id, state ("starting" | "ready"), in_threads, executions: {id: attempt} that it has:
                 queued, running, or ended with an end that is not acknowledged
    and numbered events, `n` = 1, 2, 3..., each sent again after a reconnection until acknowledged:
    ready        in_threads                the user's module is imported (low latency), or at once (elastic);
                                           in_threads: functions run in threads, which nothing can stop
    started      execution_id, attempt, at
    log          execution_id or null, attempt, stream ("stdout" | "stderr"), at; body: UTF-8 text, whole lines except
                 at the end
    file         execution_id, attempt, name, offset, last; body: a chunk of an output file, before its `finished`
    finished     execution_id, attempt, at, outcome; failure (unless succeeded); body: JSON {output: value} without the
                 files, files: [name]
    exited       reason (the kind), message and what else a failure has: the last event, the worker is gone; what was
                                           not started may run elsewhere. An elastic pod whose execution finished ends
                                           without it, once all is acked

Supervisor to worker: configure (the first), environment, execute (`files` is {name: path}), cancel. In queue mode
SIGINT follows a `cancel`, for a function that does not look at its frames.
Worker to supervisor: up (the first), ready, import_failed (failure), log, imported (execution_id; elastic), awaiting
(execution_id: a coroutine, that the worker ends at its timeout), finished (`files` is {name: file name in the outbox};
goes_on: its function could not be ended), returned (execution_id: one that went on has ended).

`at` is milliseconds since 1970. `outcome` and `failure.kind` are the words of `Outcome` and `FailureKind` below.
On the connection that it starts the pod with, the runtime sends `launch` before all else (body: see pod/launch.py).
"""

from __future__ import annotations

import json
import struct

TYPE_CHECKING = False  # `typing` costs 2 ms in each process of a pod
if TYPE_CHECKING:
    from typing import Any

PROTOCOL_VERSION = 1
FILE_CHUNK_BYTES = 256 * 1024
# Beyond this a peer is broken or hostile: values are limited to megabytes, files travel in chunks.
FRAME_MAX_BYTES = 256 * 1024 * 1024

_LENGTHS = struct.Struct(">II")


# Of an execution whose end the function did not heed.
GOES_ON = "; its function cannot be stopped where it is, and goes on until its pod is replaced"


def attempt_key(execution_id: str, attempt: int) -> str:
    """In the journal of a pod: which attempt it had begun."""
    return execution_id if attempt == 1 else f"{execution_id}~{attempt}"


class Outcome:
    """How an execution ended, as a pod sees it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the user's code
    ERROR = "error"  # the platform


class FailureKind:
    """Why an execution or a pod failed: the `kind` of a `failure`.

    Beside it that has `message`, and, where they are known and not null: `remedy`, `traceback` (of user code alone),
    `signal` (a name), `exit_code`, `peak_memory_bytes` (of the whole pod), `memory_limit_bytes`.
    """

    RAISED = "raised"
    IMPORT_FAILED = "import_failed"
    INVALID_INPUT = "invalid_input"
    INVALID_OUTPUT = "invalid_output"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_DISK = "out_of_disk"
    SIGNALLED = "signalled"
    EXITED = "exited"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    LOST = "lost"
    PLATFORM = "platform"
    # Of ticks that were not run; no pod reports them.
    MISSED = "missed"
    REFUSED = "refused"
    OVERLAPPED = "overlapped"


class Frame:
    """One decoded frame."""

    __slots__ = ("body", "header")

    def __init__(self, header: dict[str, Any], body: bytes) -> None:
        self.header = header
        self.body = body

    @property
    def type(self) -> str:
        """The frame's name."""
        kind = self.header.get("type")
        return kind if isinstance(kind, str) else ""


class ProtocolError(Exception):
    """The peer does not speak this protocol."""


def encode(header: dict[str, Any], body: bytes = b"") -> bytes:
    """The bytes of one frame."""
    head = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTHS.pack(len(head), len(body)), head, body))


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`. Raises ProtocolError on a frame that cannot be ours."""
        self._buffer += data
        frames = []
        start = 0
        while len(self._buffer) - start >= _LENGTHS.size:
            head_length, body_length = _LENGTHS.unpack_from(self._buffer, start)
            if head_length + body_length > FRAME_MAX_BYTES:
                raise ProtocolError(f"a frame of {head_length + body_length} bytes")
            body_start = start + _LENGTHS.size + head_length
            end = body_start + body_length
            if len(self._buffer) < end:
                break
            try:
                header = json.loads(self._buffer[start + _LENGTHS.size : body_start])
            except ValueError as error:
                raise ProtocolError("a header that is not JSON") from error
            if not isinstance(header, dict):
                raise ProtocolError("a header that is not an object")
            frames.append(Frame(header, bytes(self._buffer[body_start:end])))
            start = end
        del self._buffer[:start]
        return frames
