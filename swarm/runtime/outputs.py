# SPDX-License-Identifier: Apache-2.0
"""The files a job left: measured while it runs, judged once it has ended, removed however they are nested.

Everything here is hostile: links are never followed (directories are opened by descriptor), and nothing is read.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import JobFailed, TransientError
from swarm.runtime.port import Limits

MAX_DEPTH = 8
# Below this much free space the host itself is in danger, whoever fills the disk.
MIN_FREE_BYTES = 256 << 20
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.+=@, -]{0,126}[A-Za-z0-9_+=@-])?")
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True, slots=True)
class OutputSummary:
    """`files` without directories; `bytes` is the sum of their sizes."""

    files: int
    directories: int
    bytes: int


def check_outputs(path: Path, limits: Limits) -> OutputSummary:
    """Judges an output tree of a run that has ended. Raises JobFailed naming the first entry that breaks a rule."""
    files = directories = total = 0
    for name, status in _entries(path):
        _require_harmless(name, status)
        is_directory = stat.S_ISDIR(status.st_mode)
        directories += is_directory
        files += not is_directory
        total += 0 if is_directory else status.st_size
        if broken := _over(files + directories, total, limits):
            raise JobFailed(f"the output has {broken}")
    return OutputSummary(files, directories, total)


def require_free_space(path: Path) -> None:
    """Raises TransientError when the disk of `path` is too full to start a job."""
    space = os.statvfs(path)
    if space.f_bavail * space.f_frsize < 2 * MIN_FREE_BYTES:
        raise TransientError(f"the disk of {path} is full", hint="free some space")


def excess(path: Path, limits: Limits) -> str | None:
    """What a tree has too much of, in words, or None; for a running job: it forgives files that come and go."""
    files = total = 0
    try:
        for _, status in _entries(path):
            files += 1
            # A sparse file counts with its size, a preallocated one with its blocks.
            total += 0 if stat.S_ISDIR(status.st_mode) else max(status.st_size, status.st_blocks * 512)
            if broken := _over(files, total, limits):
                return broken
    except JobFailed as refusal:
        return refusal.message
    space = os.statvfs(path)
    # Deleted files that are still open have no name to count; they end here at the latest.
    if space.f_bavail * space.f_frsize < MIN_FREE_BYTES:
        return f"left less than {MIN_FREE_BYTES >> 20} MiB of free disk space"
    return None


def empty(directory: Path) -> None:
    """Removes everything in a directory, however deep, many or locked; nobody may write to it any more."""
    directory.chmod(0o700)
    trash = directory / f".removed-{secrets.token_hex(8)}"
    trash.mkdir(mode=0o700)
    pending = [directory]
    while pending:
        folder = pending.pop()
        pending += _clear(folder, trash)
        if folder != directory:
            folder.rmdir()
    trash.rmdir()


def _clear(folder: Path, trash: Path) -> list[Path]:
    """Removes the files of a folder and moves its directories into the trash; returns where they are now."""
    moved = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif entry.path != str(trash):
                # Moved up before it is looked into: a tree can be deeper than any path may be long.
                os.chmod(entry.path, 0o700)
                moved.append(trash / secrets.token_hex(8))
                os.rename(entry.path, moved[-1])
    return moved


def reclaim(directory: Path, limits: Limits, uid: int, gid: int) -> None:
    """Gives what a job left to `uid`, in a form its owner can list and remove; empties what is too much for that."""
    if excess(directory, limits):
        empty(directory)
    _give(directory, uid, gid)


def _give(directory: Path, uid: int, gid: int) -> None:
    _change_owner(directory, uid, gid)
    directory.chmod(0o700)
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _give(Path(entry.path), uid, gid)
            else:
                _change_owner(entry.path, uid, gid)


def _change_owner(path: str | Path, uid: int, gid: int) -> None:
    status = os.lstat(path)
    # chown would strip the bits that check_outputs refuses.
    is_marked = not stat.S_ISDIR(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID)
    # Only root may give files away; another user's jobs run as that user.
    if os.geteuid() == 0 and not is_marked:
        os.chown(path, uid, gid, follow_symlinks=False)


def _entries(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every entry below `path` with its lstat, parents first. Raises JobFailed where it is too deep or locked."""
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield from _below(root, "", 1)
    finally:
        os.close(root)


def _below(folder: int, prefix: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            try:
                status = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield name, status
            if stat.S_ISDIR(status.st_mode):
                yield from _inside(folder, entry.name, name, depth)


def _inside(folder: int, name: str, shown: str, depth: int) -> Iterator[tuple[str, os.stat_result]]:
    if depth >= MAX_DEPTH:
        raise JobFailed(f"directories deeper than {MAX_DEPTH}")
    try:
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    except PermissionError as error:
        raise JobFailed(f"a directory that nobody may read: {shown!r}") from error
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        yield from _below(inner, f"{shown}/", depth + 1)
    finally:
        os.close(inner)


def _over(files: int, total: int, limits: Limits) -> str | None:
    if files > limits.output_files:
        return f"more than {limits.output_files} files and directories"
    if total > limits.output_bytes:
        return f"more than {limits.output_bytes} bytes"
    return None


def _require_harmless(name: str, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if not _NAME.fullmatch(name.rpartition("/")[2]):
        raise JobFailed(f"the output has an odd name: {name!r}")
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise JobFailed(f"the output {name!r} is {_KINDS.get(kind, 'no plain file')}")
    if kind == stat.S_IFREG and status.st_nlink > 1:
        raise JobFailed(f"the output {name!r} is a hard link")
    if kind == stat.S_IFREG and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        raise JobFailed(f"the output {name!r} has the setuid or setgid bit")
