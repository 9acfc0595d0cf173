"""An upload in parts is ended only if what was stored is the whole object."""

from __future__ import annotations

from typing import Any

import pytest

from pipeyard.domain.objects import Part
from pipeyard.domain.part_uploads import PartUpload
from pipeyard.errors import InvalidInputError, TooLargeError

LIMIT = 10_000


def _announced(*parts: dict[str, Any]) -> PartUpload:
    upload = PartUpload("k", "u")
    for number, fields in enumerate(parts, 1):
        upload = upload.announce({"part_number": number, "chunk_size": 16, **fields}, LIMIT)
    return upload


def _stored(*sizes: int) -> list[Part]:
    return [Part(number, size, f'"e{number}"') for number, size in enumerate(sizes, 1)]


def _claimed(*numbers: int) -> list[dict[str, Any]]:
    return [{"number": number, "metadata": f'"e{number}"'} for number in numbers]


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        ([{"size": 7}], [7]),
        ([{"size": 16}], [16]),
        ([{}, {"size": 32}], [16, 16]),
        ([{}, {"size": 17}], [16, 1]),
        ([{"size": 20}, {"size": 20}], [16, 4]),
    ],
)
@pytest.mark.parametrize("says_size", [True, False])
def test_a_whole_object_is_ended(parts: list[dict[str, Any]], sizes: list[int], says_size: bool) -> None:
    claimed = _claimed(*range(1, len(sizes) + 1))
    _announced(*parts).check_end(claimed, _stored(*sizes), says_size=says_size)


def test_full_parts_without_a_size_are_an_object_of_a_client_that_never_says_it() -> None:
    _announced({}, {}).check_end(_claimed(1, 2), _stored(16, 16), says_size=False)


def test_full_parts_without_a_size_are_a_lost_byte_of_a_client_that_says_it() -> None:
    with pytest.raises(InvalidInputError, match="last byte"):
        _announced({}, {}).check_end(_claimed(1, 2), _stored(16, 16), says_size=True)


@pytest.mark.parametrize(
    ("claimed", "stored", "said"),
    [
        (_claimed(1), _stored(16, 4), "part 2 is not listed"),
        (_claimed(1, 2, 3), _stored(16, 4), "part 3 is beyond the end"),
        (_claimed(2), _stored(16, 4), "part 1 is not listed"),
        (_claimed(1, 2), _stored(16), "part 2 was not stored"),
        (_claimed(1, 2), _stored(16, 3), "3 bytes instead of 4"),
        (_claimed(1, 2), _stored(15, 4), "15 bytes instead of 16"),
        (_claimed(1, 2), _stored(16, 4, 16), "part 3 was sent and is not listed"),
        ([{"number": 1, "metadata": '"other"'}, {"number": 2}], _stored(16, 4), "is not the ETag of part 1"),
        (_claimed(1, 1, 2), _stored(16, 4), "1 is there twice"),
        ([], _stored(16, 4), "must be a list"),
        (None, _stored(16, 4), "must be a list"),
        ({"1": 2}, _stored(16, 4), "must be a list"),
        (["1", "2"], _stored(16, 4), "must be an object"),
        ([{"number": "1"}], _stored(16, 4), "not usable"),
        ([{"number": True}], _stored(16, 4), "not usable"),
        ([{"number": 0}], _stored(16, 4), "not usable"),
        ([{}], _stored(16, 4), "is missing"),
        ([{"number": 1, "metadata": 5}], _stored(16, 4), "must be text"),
        ([{"number": number} for number in range(1, 20_000)], _stored(16, 4), "must be a list"),
    ],
)
def test_an_object_that_is_not_whole_is_refused(claimed: Any, stored: list[Part], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        _announced({}, {"size": 20}).check_end(claimed, stored, says_size=True)


def test_without_metadata_the_etag_is_not_compared() -> None:
    _announced({"size": 4}).check_end([{"number": 1}], _stored(4), says_size=True)


def test_an_end_without_any_part_announced_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="was not stored"):
        PartUpload("k", "u").check_end(_claimed(1), _stored(4), says_size=False)


@pytest.mark.parametrize(
    "fields",
    [
        {"part_number": 0}, {"part_number": None}, {"part_number": "2"}, {"part_number": 10_001}, {"part_number": 1.5},
        {"chunk_size": 17}, {"chunk_size": 0}, {"chunk_size": None}, {"size": 0}, {"size": -1}, {"size": "20"},
        {"size": 16},
    ],
)  # fmt: skip
def test_a_part_that_contradicts_itself_or_the_others_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        _announced({}).announce({"part_number": 2, "chunk_size": 16, **fields}, LIMIT)


def test_a_size_is_said_once() -> None:
    with pytest.raises(InvalidInputError, match="earlier part"):
        _announced({}, {"size": 20}).announce({"part_number": 2, "chunk_size": 16, "size": 21}, LIMIT)


@pytest.mark.parametrize("fields", [{"part_number": 5}, {"part_number": 1, "size": 65}])
def test_an_object_beyond_the_limit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TooLargeError, match="file_max_bytes"):
        PartUpload("k", "u").announce({"chunk_size": 16, **fields}, 64)
