"""The short form of the kill loop: `make faults` plays it in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kill_loop import VICTIMS, KillLoop


@pytest.mark.parametrize("stops", [False, True], ids=["killed", "stopped"])
def test_nothing_acknowledged_is_lost_whoever_is_hit(tmp_path: Path, stops: bool) -> None:
    loop = KillLoop(tmp_path, seed=1, stops=stops)
    try:
        loop.open()
        for victim in ("server",) if stops else VICTIMS:
            loop.play(victim)
        loop.check_all()
    finally:
        loop.close()
