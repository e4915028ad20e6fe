# SPDX-License-Identifier: Apache-2.0
"""Processes as /proc shows them: who descends from whom, what they use, and how all of them are ended. Stdlib only."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the process table; `start_ticks` (since boot) tells two processes with the same number apart."""

    pid: int
    parent: int
    group: int
    start_ticks: int


def entry(pid: int) -> Entry | None:
    """A living process, or None; a zombie is not living."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The name stands in parentheses and may contain anything, parentheses too.
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return Entry(pid, int(fields[1]), int(fields[2]), int(fields[19]))


def descendants(root: int) -> list[Entry]:
    """Every living process below `root`, without it."""
    table = [found for name in os.listdir(_PROC) if name.isdecimal() and (found := entry(int(name)))]
    children: dict[int, list[Entry]] = {}
    for each in table:
        children.setdefault(each.parent, []).append(each)
    found: list[Entry] = []
    pending = [root]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += [each.pid for each in below]
    return found


def anonymous_bytes(pid: int) -> int:
    """Resident memory without mapped files, which the kernel can drop. 0 if it is gone."""
    try:
        fields = (_PROC / str(pid) / "statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE_BYTES


def total_tasks() -> int:
    """Tasks of the whole machine; one cheap read, whose jump is the first sign of a fork bomb."""
    return int((_PROC / "loadavg").read_text().split()[3].partition("/")[2])


def end_descendants(root: int) -> None:
    """Kills every process below `root` until none is left, forking ones too; waits two seconds at most."""
    deadline = time.monotonic() + 2
    while (alive := descendants(root)) and time.monotonic() < deadline:
        end(alive)
        time.sleep(0.01)


def end(alive: list[Entry]) -> None:
    """Kills processes and their groups."""
    # The kernel kills a group in one step that no fork escapes; one by one, a fork bomb outruns us.
    for group in {each.group for each in alive} - {os.getpgrp(), 0, 1}:
        if entry(group) is None or any(each.pid == group for each in alive):
            _signal(os.killpg, group)
    for each in alive:
        if (now := entry(each.pid)) and now.start_ticks == each.start_ticks:
            _signal(os.kill, each.pid)


def marked(marker: str) -> list[Entry]:
    """Living processes of this user that were started with `marker`, a NAME=value, in their environment."""
    wanted, found = marker.encode(), []
    for name in os.listdir(_PROC):
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            variables = (_PROC / name / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and (each := entry(int(name))):
            found.append(each)
    return found


def boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _signal(send, target: int) -> None:
    try:
        send(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
