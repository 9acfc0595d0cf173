"""The short form of the kill loop: `make faults` plays it in full."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kill_loop import KillLoop


def test_nothing_acknowledged_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    loop = KillLoop(tmp_path, seed=1)
    try:
        loop.open()
        for victim in ("server", "supervisor"):
            loop.play(victim)
        loop.check_all()
    finally:
        loop.close()
