"""What a periodic deployment may say beside its schedule: pauses, jitter, overlaps, ticks that were missed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any

from pipeyard.domain.names import check_text, shown
from pipeyard.domain.schedules import Schedule, check_time_zone, parse_schedule
from pipeyard.errors import InvalidInputError

JITTER_LIMIT_S = 24 * 3600
# A clock that was set is noticed within seconds: below that a tick in time could count as missed.
CATCH_UP_LEAST_S = 10
CATCH_UP_LIMIT_S = 366 * 24 * 3600
INSTANT_RULE = 'an instant with its offset, for example "2026-12-24T18:00:00Z" or "2026-12-24T18:00:00+01:00"'

OPTION_FIELDS = (
    "schedule_time_zone",
    "schedule_jitter_s",
    "schedule_paused_until",
    "schedule_overlap",
    "schedule_catch_up_s",
)
CLEARABLE = ("schedule_paused_until", "schedule_catch_up_s")  # null says something: no pause, the server's setting
SCHEDULE_FIELDS = ("schedule", *OPTION_FIELDS)


class Overlap(str, Enum):
    """What becomes of a tick that is due while an execution of the deployment is open."""

    ALLOW = "allow"  # it runs too
    SKIP = "skip"
    BUFFER_ONE = "buffer_one"  # it waits for the end of the open one; a second one is skipped


@dataclass(frozen=True)
class ScheduleOptions:
    """How ticks are dealt with."""

    jitter_s: int = 0
    paused_until: datetime | None = None  # no tick before is due
    overlap: Overlap = Overlap.ALLOW
    catch_up_s: int | None = None  # the largest delay at which a tick still runs; None: the server's setting

    def without_past_pause(self, now: datetime) -> ScheduleOptions:
        """Its pause is one that lies ahead, or None."""
        is_over = self.paused_until is not None and self.paused_until <= now
        return replace(self, paused_until=None) if is_over else self

    def jitter(self, deployment_id: str, due_at: datetime, gap: timedelta) -> timedelta:
        """How late a tick is fired on purpose: the same whoever asks, and less than the gap to the next tick."""
        digest = hashlib.blake2b(f"{deployment_id} {due_at.timestamp():.0f}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest, "big") / 2**64
        return timedelta(milliseconds=int(share * min(self.jitter_s, gap.total_seconds()) * 1000))


DEFAULT_OPTIONS = ScheduleOptions()


def read_schedule(fields: Mapping[str, Any], before: Schedule | None) -> Schedule:
    """The schedule of a request; what it does not say is as before. Raises InvalidInputError naming the field."""
    text, zone = fields.get("schedule"), fields.get("schedule_time_zone")
    before = before or Schedule(parse_schedule("schedule", text))
    return Schedule(
        before.text if text is None else parse_schedule("schedule", text),
        before.time_zone if zone is None else check_time_zone("schedule_time_zone", zone),
    )


def read_options(fields: Mapping[str, Any], before: ScheduleOptions) -> ScheduleOptions:
    """As `read_schedule`; of what is CLEARABLE null is a value."""
    jitter_s, overlap = fields.get("schedule_jitter_s"), fields.get("schedule_overlap")
    catch_up_s = fields.get("schedule_catch_up_s", before.catch_up_s)
    return ScheduleOptions(
        before.jitter_s if jitter_s is None else _seconds("schedule_jitter_s", jitter_s, 0, JITTER_LIMIT_S),
        _pause(fields, before),
        before.overlap if overlap is None else _overlap("schedule_overlap", overlap),
        None if catch_up_s is None else _seconds("schedule_catch_up_s", catch_up_s, CATCH_UP_LEAST_S, CATCH_UP_LIMIT_S),
    )


def _seconds(field: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidInputError(field, f"{shown(value)} is not usable", f"whole seconds from {least} to {most}")
    return value


def _pause(fields: Mapping[str, Any], before: ScheduleOptions) -> datetime | None:
    name = "schedule_paused_until"
    if name not in fields:
        return before.paused_until
    return None if fields[name] is None else _instant(name, fields[name])


def _instant(field: str, value: object) -> datetime:
    text = check_text(field, value)
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise InvalidInputError(field, f"{shown(text)} does not say its offset", INSTANT_RULE)
        # Whole milliseconds, as it is stored; by way of UTC, which the first and the last day of the calendar may lack.
        instant = instant.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        raise InvalidInputError(field, f"{shown(text)} is not an instant", INSTANT_RULE) from None
    if not 1970 <= instant.year <= 2200:
        raise InvalidInputError(field, f"{shown(text)} is too far away", "a year from 1970 to 2200")
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _overlap(field: str, value: object) -> Overlap:
    try:
        return Overlap(value)
    except ValueError:
        allowed = ", ".join(choice.value for choice in Overlap)
        raise InvalidInputError(field, f"{shown(value)} is not a policy", allowed) from None
