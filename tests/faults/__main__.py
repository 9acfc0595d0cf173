"""Runs the slow tests of faults, `ROUNDS` (500) of each, and prints what they found. 0: nothing is wrong."""

from __future__ import annotations

import os
import sys

from tests.faults import failing_calls, kill_loop, killed_servers, power_loss

SEED = "1"


def main() -> int:
    """One after the other; the first that raises ends it."""
    rounds = int(os.environ.get("ROUNDS") or 500)
    kill_loop.main([str(rounds), SEED])
    kill_loop.main([str(max(rounds // 5, 1)), SEED, "stop"])
    power_loss.main([str(rounds), SEED])
    failing_calls.main([])
    return killed_servers.main()


if __name__ == "__main__":
    sys.exit(main())
