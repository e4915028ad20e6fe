# SPDX-License-Identifier: Apache-2.0
"""What a seller is willing to do: price, length, types, images, hours, and how much of the disk."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from swarm.errors import UsageError
from swarm.protocol.hardware import CLASSES
from swarm.protocol.types import JobId

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")
_DIGEST = re.compile(r"(?:[a-z0-9][a-z0-9._/:-]{0,255}@)?sha256:[0-9a-f]{64}")
_ENGINES = "any, or digests sha256:… separated by commas"


@dataclass(frozen=True, slots=True)
class Window:
    """Some hours of some days of the week, local time. One that ends before it begins goes on past midnight."""

    days: frozenset[int]  # 0 is Monday; the day on which it begins
    begin: int  # minutes of the day
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        if self.begin < self.end:
            return weekday in self.days and self.begin <= minute < self.end
        is_evening = weekday in self.days and minute >= self.begin
        return is_evening or ((weekday - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True, slots=True)
class Policy:
    """None means any. `only_job` restricts the worker to one job; sizes are bytes."""

    price_floor: int = 0
    max_run_seconds: int = 72 * 3600
    only_job: JobId | None = None
    types: frozenset[str] | None = None
    images: frozenset[str] | None = None
    classes: frozenset[str] | None = None  # hardware classes this machine computes
    hours: tuple[Window, ...] = ()
    disk_bytes: int | None = None  # of the worker's home
    cache_bytes: int | None = None  # of fetched inputs

    def wants(self, engine: str) -> bool:
        """Whether an engine is on the list of images: sha256:… or repository@sha256:…"""
        return self.images is None or engine.rpartition("@")[2] in self.images

    def computes(self, hardware_class: int) -> bool:
        """Whether jobs of a class, by its number on chain, may be taken."""
        return self.classes is None or hardware_class in {CLASSES[name] for name in self.classes}

    def is_time(self, moment: datetime) -> bool:
        """Whether work may be taken at a local time."""
        minute = moment.hour * 60 + moment.minute
        return not self.hours or any(window.holds(moment.weekday(), minute) for window in self.hours)


def parse_hours(text: str) -> tuple[Window, ...]:
    """`"22:00-08:00"`, `"mon-fri 18:00-08:00, sat-sun 00:00-24:00"`. Raises UsageError."""
    return tuple(_window(part.strip().lower()) for part in text.split(",") if part.strip())


def parse_types(text: str, known: Iterable[str]) -> frozenset[str]:
    """`"lora,sweep"`. Raises UsageError for a type this version does not know."""
    wanted = frozenset(part.strip() for part in text.split(",") if part.strip())
    if unknown := sorted(wanted - set(known)):
        raise UsageError(f"{unknown[0]!r} is not a type of job", hint=f"types are {', '.join(sorted(known))}")
    return wanted


def parse_images(text: str) -> frozenset[str] | None:
    """`"any"` → None, or the digests that may run. Raises UsageError: a tag is no digest."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if parts == ["any"]:
        return None
    for part in parts:
        if not _DIGEST.fullmatch(part):
            raise UsageError(f"{part[:80]!r} is not an image digest", hint=_ENGINES)
    return frozenset(part.rpartition("@")[2] for part in parts)


def _window(text: str) -> Window:
    found = _WINDOW.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} are no hours", hint="write them like 22:00-08:00 or sat-sun 10:00-23:00")
    first, last, *numbers = found.groups()
    begin_hour, begin_minute, end_hour, end_minute = map(int, numbers)
    begin, end = begin_hour * 60 + begin_minute, end_hour * 60 + end_minute
    if max(begin_minute, end_minute) > 59 or begin >= 24 * 60 or end > 24 * 60 or begin == end:
        raise UsageError(f"{text!r} are no hours", hint="from 00:00 to 24:00, begin and end differ")
    return Window(_days(first, last), begin, end)


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last or first):
        if name not in DAYS:
            raise UsageError(f"{name!r} is not a day", hint=", ".join(DAYS))
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
