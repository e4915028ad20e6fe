# SPDX-License-Identifier: Apache-2.0
"""Processes are told apart by more than their number."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from swarm.runtime import processes
from swarm.runtime.orphans import SCRATCH_PREFIX, Orphans


@pytest.fixture
def sleeper():
    """A process of ours that no run has started."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def _change(note, **facts) -> None:
    note.write_text(json.dumps(json.loads(note.read_text()) | facts))


def test_reaping_spares_a_process_that_has_taken_over_the_number(tmp_path, sleeper):
    orphans = Orphans(tmp_path)
    note = orphans.note("worker", sleeper.pid, "marker", tmp_path / "scratch")
    _change(note, start_ticks=1)
    orphans.reap("worker")
    assert sleeper.poll() is None
    assert not note.exists()


def test_reaping_spares_a_process_of_another_boot(tmp_path, sleeper):
    orphans = Orphans(tmp_path)
    _change(orphans.note("worker", sleeper.pid, "marker", tmp_path / "scratch"), boot="before")
    orphans.reap("worker")
    assert sleeper.poll() is None


def test_reaping_spares_another_owner(tmp_path, sleeper):
    orphans = Orphans(tmp_path)
    note = orphans.note("worker", sleeper.pid, "marker", tmp_path / "scratch")
    orphans.reap("judge")
    assert sleeper.poll() is None
    assert note.exists()


def test_reaping_ends_what_was_noted(tmp_path, sleeper):
    orphans = Orphans(tmp_path)
    scratch = tmp_path / f"{SCRATCH_PREFIX}1"
    scratch.mkdir()
    (scratch / "half").write_text("done")
    orphans.note("worker", sleeper.pid, "marker", scratch)
    orphans.reap("worker")
    assert sleeper.wait(10) == -9 and not scratch.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense"])
def test_reaping_forgets_a_note_that_cannot_be_read(tmp_path, content):
    orphans = Orphans(tmp_path)
    note = orphans.note("worker", os.getpid(), "marker", tmp_path / "scratch")
    note.write_text(content)
    orphans.reap("worker")
    assert not note.exists()


def test_a_zombie_is_not_living():
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.entry(process.pid) is None
    process.wait()


def test_a_name_with_parentheses_does_not_confuse_the_table(tmp_path):
    tool = tmp_path / ") Z 1 (("
    tool.symlink_to("/bin/sleep")
    with subprocess.Popen([str(tool), "600"]) as process:
        found = [each.pid for each in processes.descendants(os.getpid())]
        process.kill()
    assert process.pid in found
