# SPDX-License-Identifier: Apache-2.0
"""Half-written files of the dead are removed, those of the living never; a full disk is recognised below any error."""

import errno
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from swarm.disk import DiskFull, is_full, partial, sweep
from swarm.errors import TransientError, UsageError
from swarm.journal import Journal


def test_sweeps_what_the_dead_were_writing_and_nothing_else(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    alive = partial(tmp_path / "mine")
    dead = tmp_path / f".theirs.{gone.pid}-{'0' * 16}.part"
    folder = tmp_path / f".folder.{gone.pid}-{'1' * 16}.part"
    others = [tmp_path / "whole", tmp_path / "being-fetched.part", tmp_path / ".part"]
    for path in (alive, dead, *others):
        path.write_text("x")
    (folder / "deep").mkdir(parents=True)
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {alive, *others}
    sweep(tmp_path / "nowhere")


def test_a_partial_file_bears_this_process():
    assert f".{os.getpid()}-" in partial(Path("a")).name


@pytest.mark.parametrize("number, full", [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)])
def test_knows_a_full_disk_below_an_error_of_ours(number, full):
    try:
        try:
            raise OSError(number, "no")
        except OSError as error:
            raise UsageError("cannot write") from error
    except UsageError as wrapped:
        assert is_full(wrapped) is full
    assert not is_full(None) and not is_full(ValueError())


def test_a_journal_without_space_says_so_and_keeps_what_it_has(tmp_path):
    journal = Journal(tmp_path / "a.sqlite")
    journal.put("kind", "old", {"kept": True})
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull, match="is full") as caught:
        journal.put("kind", "new", {"text": "x" * 100_000})
    assert isinstance(caught.value, TransientError) and isinstance(caught.value.__cause__, sqlite3.OperationalError)
    assert journal.items("kind") == [("old", {"kept": True})]
    journal.close()


def test_writes_together_happen_all_or_not_at_all(tmp_path):
    journal = Journal(tmp_path / "a.sqlite")
    with pytest.raises(ValueError, match="in between"), journal.together():
        journal.put("kind", "one", {})
        raise ValueError("in between")
    assert not journal.items("kind")
    with journal.together():
        journal.put("kind", "one", {})
        journal.delete("kind", "none")
    assert journal.items("kind") == [("one", {})]
    journal.close()
