# SPDX-License-Identifier: Apache-2.0
"""Files and directories become blocks, after the profile unixfs-v1-2025 of IPIP-0499.

CIDv1, sha2-256, raw leaves, 1 MiB chunks, balanced trees of width 1024, basic directories. A directory whose block
would exceed 256 KiB (where the profile switches to HAMT shards) is refused. Blocks are yielded children first and the
root last, one at a time, so that memory does not grow with the content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from swarm.errors import NotFound, UsageError
from swarm.storage.cid import DAG_PB, RAW, Cid, cid_of_block
from swarm.storage.dagpb import Kind, Link, UnixFs, encode
from swarm.storage.names import check_name

CHUNK_BYTES = 1 << 20
WIDTH = 1024
MAX_DIRECTORY_BLOCK = 256 << 10
LINK_OVERHEAD_BYTES = 44  # of one directory entry, without its name, at the least
MAX_IMPORT_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Block:
    """A block on its way into a store. `tsize` is the size of its whole DAG, `content` that of the file below it."""

    cid: Cid
    data: bytes
    tsize: int
    content: int


def import_path(path: Path) -> Iterator[Block]:
    """The blocks of a file or a directory. Symlinks (at `path` and below) and special files raise UsageError."""
    try:
        yield from _entry(str(path), None, path, 0)
    except FileNotFoundError as error:
        raise NotFound(f"{path} does not exist") from error
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or path}", hint=error.strerror) from error


def import_stream(stream: BinaryIO, *, chunk_bytes: int = CHUNK_BYTES, width: int = WIDTH) -> Iterator[Block]:
    """The blocks of one file. Levels fill up from the leaves and are folded as soon as they hold `width` children."""
    levels: list[list[Block]] = [[]]
    while data := stream.read(chunk_bytes):
        leaf = Block(cid_of_block(data, RAW), data, len(data), len(data))
        yield leaf
        yield from _push(levels, 0, leaf, width)
    if levels == [[]]:
        yield Block(cid_of_block(b"", RAW), b"", 0, 0)
        return
    for level in range(len(levels)):
        top = level == len(levels) - 1
        if levels[level] and not (top and len(levels[level]) == 1):
            yield from _fold(levels, level, width)


def root_of(path: Path) -> Cid:
    """Hashes a file or directory without storing anything."""
    cid = None
    for block in import_path(path):
        cid = block.cid
    assert cid is not None
    return cid


def _push(levels: list[list[Block]], level: int, block: Block, width: int) -> Iterator[Block]:
    if level == len(levels):
        levels.append([])
    # The data has been handed on; only the sums are needed from here.
    levels[level].append(Block(block.cid, b"", block.tsize, block.content))
    if len(levels[level]) == width:
        yield from _fold(levels, level, width)


def _fold(levels: list[list[Block]], level: int, width: int) -> Iterator[Block]:
    children, levels[level] = levels[level], []
    parent = _file_node(children)
    yield parent
    yield from _push(levels, level + 1, parent, width)


def _file_node(children: list[Block]) -> Block:
    links = tuple(Link(child.cid, b"", child.tsize) for child in children)
    sizes = tuple(child.content for child in children)
    return _node(UnixFs(Kind.FILE, links, file_size=sum(sizes), block_sizes=sizes))


def _node(node: UnixFs) -> Block:
    data = encode(node)
    tsize = len(data) + sum(link.tsize for link in node.links)
    return Block(cid_of_block(data, DAG_PB), data, tsize, node.file_size or 0)


def _entry(name: str, directory: int | None, shown: Path, depth: int) -> Iterator[Block]:
    # Opened relative to the parent's descriptor: nobody can swap a folder for a link in between.
    mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    if stat.S_ISREG(mode):
        yield from _file(name, directory, shown)
    elif stat.S_ISDIR(mode):
        yield from _directory(name, directory, shown, depth)
    else:
        what = "a symbolic link" if stat.S_ISLNK(mode) else "a special file"
        raise UsageError(f"{shown} is {what}", hint="only files and directories can be stored")


def _file(name: str, directory: int | None, shown: Path) -> Iterator[Block]:
    # O_NONBLOCK: a FIFO put here after the look above must not hang us.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise UsageError(f"{shown} is no longer a file", hint="something replaces files while they are read")
        yield from import_stream(stream)


def _directory(name: str, directory: int | None, shown: Path, depth: int) -> Iterator[Block]:
    if depth == MAX_IMPORT_DEPTH:
        raise UsageError(f"{shown} is nested more than {MAX_IMPORT_DEPTH} directories deep")
    handle = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        links, block = [], None
        for raw in _names(handle, shown):
            for block in _entry(os.fsdecode(raw), handle, shown / os.fsdecode(raw), depth + 1):
                yield block
            links.append(Link(block.cid, raw, block.tsize))
    finally:
        os.close(handle)
    node = _node(UnixFs(Kind.DIRECTORY, tuple(links)))
    if len(node.data) > MAX_DIRECTORY_BLOCK:
        raise _too_many(shown)
    yield node


def _names(handle: int, shown: Path) -> list[bytes]:
    """Sorted by bytes as dag-pb wants it; refused before any content is read when there are far too many."""
    names, size = [], 0
    with os.scandir(handle) as entries:
        for entry in entries:
            names.append(check_name(os.fsencode(entry.name), UsageError))
            size += LINK_OVERHEAD_BYTES + len(names[-1])
            if size > MAX_DIRECTORY_BLOCK:
                raise _too_many(shown)
    return sorted(names)


def _too_many(shown: Path) -> UsageError:
    return UsageError(
        f"{shown} has too many entries: its directory block would exceed 256 KiB, and sharded (HAMT) directories are "
        "not supported",
        hint="spread the files over subdirectories",
    )
