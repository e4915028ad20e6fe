# SPDX-License-Identifier: Apache-2.0
"""The judgement of what a job left."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from swarm.errors import JobFailed
from swarm.runtime.outputs import MAX_DEPTH, OutputSummary, check_outputs, empty, excess, reclaim
from swarm.runtime.port import Limits

LIMITS = Limits(output_bytes=100, output_files=5)


def test_refuses_a_symbolic_link_and_does_not_follow_it(tmp_path):
    (tmp_path / "weights").symlink_to("/etc/passwd")
    with pytest.raises(JobFailed, match=r"'weights' is a symbolic link"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_a_symbolic_link_to_a_directory(tmp_path):
    (tmp_path / "folder").symlink_to("/", target_is_directory=True)
    with pytest.raises(JobFailed, match="symbolic link"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_an_output_directory_that_is_itself_a_link(tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OSError):
        check_outputs(tmp_path / "link", LIMITS)


def test_refuses_a_hard_link(tmp_path):
    (tmp_path / "a").write_text("")
    os.link(tmp_path / "a", tmp_path / "b")
    with pytest.raises(JobFailed, match="hard link"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JobFailed, match="'pipe' is a pipe"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_a_socket(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(JobFailed, match="is a socket"):
            check_outputs(tmp_path, LIMITS)


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
def test_refuses_setuid_and_setgid(tmp_path, mode):
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(mode)
    with pytest.raises(JobFailed, match="setuid or setgid"):
        check_outputs(tmp_path, LIMITS)


@pytest.mark.parametrize(
    "name", [".hidden", "-rf", "a\nb", "a\x1b[2J", "a\\b", "a:b", " a", "a ", "a.", "ü", "x" * 129]
)
def test_refuses_an_odd_name(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(JobFailed, match="odd name") as refusal:
        check_outputs(tmp_path, LIMITS)
    assert refusal.value.message.isprintable()


def test_refuses_a_name_that_is_no_text(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("")
    with pytest.raises(JobFailed, match="odd name"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_too_many_files(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).write_text("")
    with pytest.raises(JobFailed, match="more than 5 files"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_too_many_directories(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(JobFailed, match="more than 5 files and directories"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_too_many_bytes_in_all(tmp_path):
    for number in range(2):
        (tmp_path / str(number)).write_bytes(bytes(51))
    with pytest.raises(JobFailed, match="more than 100 bytes"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_a_sparse_file_by_its_size(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(101)
    with pytest.raises(JobFailed, match="more than 100 bytes"):
        check_outputs(tmp_path, LIMITS)


def test_refuses_directories_that_are_too_deep(tmp_path):
    (tmp_path / "/".join("d" * MAX_DEPTH)).mkdir(parents=True)
    with pytest.raises(JobFailed, match="deeper"):
        check_outputs(tmp_path, Limits())


def test_sums_up_a_sound_tree(tmp_path):
    (tmp_path / "segments" / "0000").mkdir(parents=True)
    (tmp_path / "segments" / "0000" / "adapter_model.safetensors").write_bytes(bytes(60))
    (tmp_path / "a file, 2=b@c+d").write_bytes(bytes(40))
    assert check_outputs(tmp_path, LIMITS) == OutputSummary(files=2, directories=2, bytes=100)
    assert excess(tmp_path, Limits()) is None


def test_excess_counts_preallocated_blocks(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        file.truncate(1)
        os.posix_fallocate(file.fileno(), 0, 1)
    os.truncate(tmp_path / "a", 1 << 20)
    assert excess(tmp_path, LIMITS) == "more than 100 bytes"


def test_emptying_removes_a_tree_deeper_than_any_path(tmp_path, monkeypatch):
    root = tmp_path / "outputs"
    root.mkdir()
    with monkeypatch.context() as inside:
        inside.chdir(root)
        for _ in range(3000):
            os.mkdir("deep")
            os.chdir("deep")
        inside.chdir(tmp_path)
    empty(root)
    assert not list(root.iterdir())


def test_emptying_removes_locked_directories_and_leaves_what_links_point_to(tmp_path):
    root, outside = tmp_path / "outputs", tmp_path / "outside"
    (root / "locked" / "inner").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("")
    (root / "link").symlink_to(outside, target_is_directory=True)
    (root / "locked").chmod(0)
    empty(root)
    assert not list(root.iterdir())
    assert (outside / "kept").exists()


def test_reclaiming_opens_directories_and_leaves_what_links_point_to(tmp_path):
    root, outside = tmp_path / "outputs", tmp_path / "outside"
    (root / "shut").mkdir(parents=True)
    outside.mkdir(mode=0o500)
    (root / "link").symlink_to(outside, target_is_directory=True)
    (root / "shut").chmod(0o500)
    reclaim(root, Limits(), os.geteuid(), os.getegid())
    assert (root / "shut").stat().st_mode & 0o777 == 0o700
    assert outside.stat().st_mode & 0o777 == 0o500


def test_reclaiming_empties_what_is_too_much(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).write_text("")
    reclaim(tmp_path, LIMITS, os.geteuid(), os.getegid())
    assert not list(tmp_path.iterdir())
