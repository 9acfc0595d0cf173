"""The short forms of what is done to the disk: `make faults` does it in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import power_loss
from tests.faults.disks import Disk
from tests.faults.failing_calls import Victim, fail_at_work
from tests.faults.shims import Record, can_build

needs_compiler = pytest.mark.skipif(not can_build(), reason="there is no gcc")


@needs_compiler
def test_what_was_acknowledged_survives_a_loss_of_power() -> None:
    done = power_loss.play(6, seed=1, calls=1)
    assert done["images"] == 6
    assert done["ended checked"] > 0


@needs_compiler
def test_a_call_that_fails_loses_nothing_and_ends_nothing_wrongly(tmp_path: Path) -> None:
    victim = Victim(tmp_path)
    try:
        victim.open()
        for number in (12, 60):
            assert fail_at_work(victim, "EIO", number)
    finally:
        victim.close()


class Chance:
    """The same each time: below 0.4 all that may be there is there, between 0.5 and 0.8 nothing is."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value


def disk(*calls: tuple[str, str]) -> Disk:
    """What was done to the file `/d/f` (inode 1) or a folder, one record after the other."""
    made = Disk(Path("/d"))
    for number, (kind, text) in enumerate(calls):
        path = "/d" if kind == "S" else "/d/f"
        content = text.encode() if kind == "w" else b""
        kind, path = ("s", "/d") if kind == "S" else (kind, path)
        made.follow(Record(kind, 0 if path == "/d" else 1, number if kind in "sx" else 0, path, content, number))
    return made


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([("c", ""), ("w", "one"), ("s", ""), ("S", "")], b"one"),
        ([("c", ""), ("w", "one"), ("s", "")], None),  # its folder was not synced
        ([("c", ""), ("S", ""), ("w", "one")], b""),
        ([("c", ""), ("S", ""), ("w", "one"), ("s", ""), ("w", "two")], b"one"),
        ([("c", ""), ("S", ""), ("w", "one"), ("x", ""), ("s", "")], b""),  # the first sync failed
        ([("c", ""), ("S", ""), ("u", "")], b""),
        ([("c", ""), ("S", ""), ("u", ""), ("S", "")], None),
    ],
)
def test_a_disk_without_power_has_what_was_synced(
    tmp_path: Path, calls: list[tuple[str, str]], found: bytes | None
) -> None:
    disk(*calls).write(tmp_path / "d", Chance(0.7))  # type: ignore[arg-type]
    place = tmp_path / "d" / "f"
    assert (place.read_bytes() if place.exists() else None) == found


def test_it_may_have_what_was_not(tmp_path: Path) -> None:
    disk(("c", ""), ("w", "one"), ("x", ""), ("w", "two")).write(tmp_path / "d", Chance(0.1))  # type: ignore[arg-type]
    assert (tmp_path / "d" / "f").read_bytes() == b"two"
