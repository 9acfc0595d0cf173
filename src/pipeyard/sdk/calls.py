"""One request, described so that it can be sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from pipeyard.sdk.deadlines import NO_DEADLINE, Deadline

ANSWER_S = 300.0  # longer than anything takes that is not held
HELD_S = 600.0  # far above any hold, so that a dead connection is noticed
HEARTBEAT_S = 60.0  # of a stream in which there is a heartbeat every 15 s
BEARER = "Bearer"  # stands for the access token, which is put in when the request is sent
FilePart = tuple[str, tuple[str, IO[bytes]]]  # the name of the part, the name of the file, the file
_REPEATABLE_METHODS = ("GET", "PUT", "DELETE")


@dataclass(frozen=True)
class Call:
    """A request. `is_repeatable` says of a POST that to send it twice is to send it once."""

    method: str
    url: str
    query: Mapping[str, Any] | None = None
    json: Any = None
    content: bytes | None = None
    content_type: str | None = None
    form: Mapping[str, str] | None = None
    files: Sequence[FilePart] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    authorization: str | None = BEARER
    deadline: Deadline = NO_DEADLINE
    is_repeatable: bool = False
    is_held: bool = False  # the server answers when something has happened
    silence_s: float = ANSWER_S  # the longest time without a byte

    @property
    def follows_redirects(self) -> bool:
        """A read does, unless it is held: then a redirect says "not yet"."""
        return self.method == "GET" and not self.is_held

    @property
    def may_be_repeated(self) -> bool:
        """Whether it may be sent again after it may have been carried out."""
        return self.is_repeatable or self.method in _REPEATABLE_METHODS
