"""Runs the slow tests of faults, and prints what they found. 0: nothing is wrong."""

from __future__ import annotations

import sys

from tests.faults import killed_servers

if __name__ == "__main__":
    sys.exit(killed_servers.main())
