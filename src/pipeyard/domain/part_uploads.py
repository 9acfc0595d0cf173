"""Uploads in parts: how long each part must be, and whether what was stored is the whole object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeyard.domain.names import check_text, shown
from pipeyard.domain.objects import Part
from pipeyard.errors import InvalidInputError, TooLargeError

PARTS_MAX = 10_000  # of S3


@dataclass(frozen=True)
class PartUpload:
    """An upload under way, and what its caller has announced so far. Sizes in bytes."""

    key: str
    store_id: str  # the data store's own name for it
    chunk_size: int | None = None
    size: int | None = None  # of the whole; some clients say it with the last part, some never

    def announce(self, fields: Mapping[str, Any], most_bytes: int) -> PartUpload:
        """With what the request for one more part says: its `part_number`, `chunk_size` and, if known, `size`.

        Raises InvalidInputError, TooLargeError.
        """
        number = check_whole("part_number", fields.get("part_number"), PARTS_MAX)
        chunk_size = check_whole("chunk_size", fields.get("chunk_size"))
        size = self.size if fields.get("size") is None else check_whole("size", fields["size"])
        for field, before, now in (("chunk_size", self.chunk_size, chunk_size), ("size", self.size, size)):
            if before not in (None, now):
                raise InvalidInputError(field, f"{now} is not what was said with an earlier part", str(before))
        announced = replace(self, chunk_size=chunk_size, size=size)
        count = announced.count
        if count is not None and number > count:
            problem = f"{number} is beyond the end: {size} bytes are {count} parts of {chunk_size} bytes"
            raise InvalidInputError("part_number", problem, f"1 to {count}")
        total = size or number * chunk_size
        if total > most_bytes:
            raise TooLargeError(f"size: {total} bytes, the limit is {most_bytes} (file_max_bytes is the setting)")
        return announced

    @property
    def count(self) -> int | None:
        """How many parts there are, once that is known."""
        if self.size is None or self.chunk_size is None:
            return None
        return -(-self.size // self.chunk_size)

    def part_size(self, number: int) -> int:
        """The length of an announced part: full, unless the size of the whole says otherwise."""
        assert self.chunk_size is not None
        rest = self.chunk_size if self.size is None else self.size - (number - 1) * self.chunk_size
        return min(self.chunk_size, rest)

    def check_end(self, claimed: object, stored: Sequence[Part], *, says_size: bool) -> None:
        """Whether the parts that the caller lists are all there and make up the object. Raises InvalidInputError.

        `says_size`: the caller is a client that says the size with its last part. One that has not has lost a part.
        """
        if self.size is None and says_size:
            raise InvalidInputError(
                "parts",
                "the last part was never announced: this version of craft-ai-sdk drops the last byte of an object that "
                "is one byte longer than a multiple of the part size",
                "another part size, by the variable CRAFT_AI__MULTIPART_PART_SIZE__B",
            )
        etags = _read_claimed(claimed)
        count = self.count or max(etags)
        for number in range(1, max(count, *etags) + 1):
            if (number <= count) != (number in etags):
                problem = "is not listed" if number <= count else "is beyond the end"
                raise InvalidInputError("parts", f"part {number} {problem}", f"each of 1 to {count} once")
        known = {part.number: part for part in stored}
        for number, etag in etags.items():
            self._check_part(number, etag, known.pop(number, None))
        if known:
            raise InvalidInputError(
                "parts", f"part {max(known)} was sent and is not listed", "every part that was sent"
            )

    def _check_part(self, number: int, etag: str | None, part: Part | None) -> None:
        field = f"parts[{number - 1}]"
        if part is None or self.chunk_size is None:
            raise InvalidInputError(field, f"part {number} was not stored", "send it again, then end the upload")
        if part.size != self.part_size(number):
            problem = f"part {number} has {part.size} bytes instead of {self.part_size(number)}"
            raise InvalidInputError(field, problem, "send it again, then end the upload")
        if etag is not None and etag.strip('"') != part.etag.strip('"'):
            raise InvalidInputError(f"{field}.metadata", f"{shown(etag)} is not the ETag of part {number}", part.etag)


def _read_claimed(claimed: object) -> dict[int, str | None]:
    """ETags (None: not given) by number. Raises InvalidInputError."""
    if not isinstance(claimed, list) or not 1 <= len(claimed) <= PARTS_MAX:
        raise InvalidInputError("parts", "must be a list", f"1 to {PARTS_MAX} parts, each with its number")
    etags: dict[int, str | None] = {}
    for index, item in enumerate(claimed):
        if not isinstance(item, dict):
            raise InvalidInputError(f"parts[{index}]", f"must be an object, got {type(item).__name__}")
        number = check_whole(f"parts[{index}].number", item.get("number"), PARTS_MAX)
        if number in etags:
            raise InvalidInputError(f"parts[{index}].number", f"{number} is there twice", "each part once")
        etag = item.get("metadata")
        etags[number] = None if etag is None else check_text(f"parts[{index}].metadata", etag)
    return etags


def check_whole(field: str, value: object, most: int | None = None) -> int:
    """The value, if it is a whole number from 1. Raises InvalidInputError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        allowed = "a whole number from 1" if most is None else f"a whole number from 1 to {most}"
        raise InvalidInputError(field, "is missing" if value is None else f"{shown(value)} is not usable", allowed)
    return value
