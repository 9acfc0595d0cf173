"""How Python itself is set up in a server."""

from __future__ import annotations

import gc
import sys

# The store's writer thread needs its turn while the event loop is busy; the default, 5 ms, can add up to seconds.
SWITCH_INTERVAL_S = 0.0005
# New objects before the collector looks at them: requests leave hardly any cycles.
YOUNG_MAX, MIDDLE_MAX, OLD_MAX = 10_000, 20, 10


def share_the_interpreter() -> None:
    """Let threads take turns quickly."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def spare_the_collector() -> None:
    """To be called once everything that lives as long as the process is there: it is never looked at again.

    A full collection of the modules alone holds every request up for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, MIDDLE_MAX, OLD_MAX)
