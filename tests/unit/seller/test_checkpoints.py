# SPDX-License-Identifier: Apache-2.0
"""Whole segments that survive: only what was written down, only as it was written down, and no link is followed."""

import os
from dataclasses import replace

import pytest

from swarm.journal import Journal
from swarm.protocol.types import JobStatus
from swarm.seller.checkpoints import Checkpoints
from tests.unit.seller.test_plan import job


@pytest.fixture
def journal(tmp_path):
    kept = Journal(tmp_path / "worker.sqlite")
    yield kept
    kept.close()


@pytest.fixture
def checkpoints(journal, tmp_path):
    return Checkpoints(journal, tmp_path / "work", job(1, JobStatus.RUNNING))


def made(checkpoints, segment, text="weights"):
    """What a program leaves of a segment."""
    outputs = checkpoints.run_folder / "outputs"
    folder = outputs / "segments" / f"{segment:04d}"
    folder.mkdir(parents=True)
    (outputs / "traces").mkdir(exist_ok=True)
    (folder / "adapter").write_text(f"{text} {segment}")
    (outputs / "traces" / f"{segment:04d}.bin").write_bytes(b"t" * 16)
    return folder


@pytest.mark.parametrize("segment", [4, -1, "0", None, True, 1.0])
def test_does_not_note_a_segment_the_job_does_not_have(checkpoints, segment):
    made(checkpoints, 0)
    assert not checkpoints.note(segment) and checkpoints.count() == 0


def test_does_not_note_what_is_not_there(checkpoints):
    assert not checkpoints.note(0)
    made(checkpoints, 0)
    (checkpoints.run_folder / "outputs" / "traces" / "0000.bin").unlink()
    assert not checkpoints.note(0)


def test_does_not_note_links_pipes_or_hard_links(checkpoints, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("key")
    for make in (
        lambda path: path.symlink_to(secret),
        lambda path: os.mkfifo(path),
        lambda path: path.hardlink_to(secret),
        lambda path: path.mkdir(),
    ):
        folder = made(checkpoints, 0)
        make(folder / "odd")
        assert not checkpoints.note(0)
        checkpoints.forget()


def test_does_not_move_a_folder_of_the_host_that_a_link_names(checkpoints, tmp_path):
    made(checkpoints, 0)
    assert checkpoints.note(0)
    host = tmp_path / "host" / "0000"
    host.mkdir(parents=True)
    outputs = checkpoints.run_folder / "outputs"
    (outputs / "segments").rename(outputs / "gone")
    (outputs / "segments").symlink_to(host.parent)
    checkpoints.harvest()
    assert host.is_dir() and not checkpoints.kept()


def test_does_not_continue_from_a_segment_that_has_changed(checkpoints):
    """A power cut, or a program that writes after it said that it was done: the seller would be slashed for it."""
    for segment in (0, 1, 2):
        made(checkpoints, segment)
        assert checkpoints.note(segment)
    checkpoints.harvest()
    first, second, _ = checkpoints.kept()
    (second.output / "adapter").write_text("other")
    assert checkpoints.kept() == (first,)
    assert checkpoints.count() == 1 and not second.output.exists()


def test_does_not_keep_what_comes_after_a_gap(checkpoints):
    for segment in (0, 2):
        made(checkpoints, segment)
        assert checkpoints.note(segment)
    assert checkpoints.count() == 1
    checkpoints.harvest()
    assert [product.index for product in checkpoints.kept()] == [0]


def test_does_not_keep_a_segment_that_was_not_written_down(checkpoints):
    made(checkpoints, 0)
    checkpoints.harvest()
    assert not checkpoints.kept() and not checkpoints.run_folder.exists()


def test_keeps_segments_over_several_runs_also_of_a_part(journal, tmp_path):
    """A part of a spec begins at a later segment; its outputs are numbered as the spec's."""
    part = job(2, JobStatus.RUNNING)
    part = replace(part, terms=replace(part.terms, first_segment=3))
    checkpoints = Checkpoints(journal, tmp_path / "part", part)
    made(checkpoints, 3)
    assert checkpoints.note(3)
    checkpoints.harvest()
    made(checkpoints, 4)
    assert checkpoints.note(4)
    again = Checkpoints(journal, tmp_path / "part", part)  # after a crash: nobody harvested
    assert again.count() == 2
    again.harvest()
    assert [product.index for product in again.kept()] == [3, 4]
    assert (again.kept()[1].output / "adapter").read_text() == "weights 4"
    again.forget()
    assert again.count() == 0 and not (tmp_path / "part").exists()
