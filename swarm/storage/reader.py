# SPDX-License-Identifier: Apache-2.0
"""Blocks become files and directories again. Whoever made the DAG may be hostile, so nothing in it is trusted.

Everything works on `get(cid) -> bytes`, which verifies the hash. Lengths are claimed by parents and checked against
children; shape, depth and the number of blocks are bounded, so the work is bounded by the limits of the caller.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.disk import partial
from swarm.errors import IntegrityError, NoSuchName, UsageError
from swarm.storage.cid import RAW, Cid
from swarm.storage.dagpb import Kind, Link, UnixFs, decode
from swarm.storage.names import check_name
from swarm.storage.port import ExportLimits

Get = Callable[[Cid], bytes]

MAX_FILE_DEPTH = 8  # 1024^4 chunks need 4; other builders use narrower trees
# A tree of one-byte leaves would turn a small file into endless work.
_FREE_BLOCKS, _MEAN_BLOCK_BYTES = 1024, 4096


def read_file(get: Get, root: Cid, limit: int) -> bytes:
    """The content of a file of at most `limit` bytes. Raises IntegrityError when it is larger or no file."""
    node = load(get, root)
    if content_length(node) > limit:
        raise IntegrityError(f"{root} holds {content_length(node)} bytes", hint=f"at most {limit} are accepted here")
    return b"".join(_chunks(get, root, None))


def resolve(get: Get, root: Cid, path: str) -> Cid:
    """Follows names joined by /. Raises NoSuchName where one is missing, IntegrityError where the DAG is malformed."""
    for name in path.split("/"):
        check_name(name.encode(), UsageError)
        children = {link.name: link.cid for link in directory_links(load(get, root), 255)}
        if name.encode() not in children:
            raise NoSuchName(f"no {name!r} in {root}")
        root = children[name.encode()]
    return root


def export(get: Get, root: Cid, target: Path, limits: ExportLimits) -> None:
    """Writes the DAG to `target`, which must not exist. It appears complete or not at all."""
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already", hint="choose another place")
    entries = list(_Survey(get, limits).of(root))
    staging = partial(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for entry in entries:
            _write(get, entry, staging.joinpath(*entry.path))
        os.rename(staging, target)
    except OSError as error:
        raise UsageError(f"cannot write {target}", hint=error.strerror) from error
    finally:
        _remove(staging)


def load(get: Get, cid: Cid) -> UnixFs:
    """A block as a UnixFS node; a raw block is a file without children."""
    block = get(cid)
    if cid.codec == RAW:
        return UnixFs(Kind.RAW, (), block, len(block))
    node = decode(block)
    if node.kind == Kind.HAMT_SHARD:
        raise IntegrityError(f"{cid} is a sharded (HAMT) directory", hint="only basic directories are supported")
    if node.kind in (Kind.SYMLINK, Kind.METADATA):
        raise IntegrityError(f"{cid} is a {node.kind.name.lower()}", hint="only files and directories are accepted")
    return node


def content_length(node: UnixFs) -> int:
    """The length a file node claims, once its own claims agree. Raises IntegrityError for directories."""
    if node.kind == Kind.DIRECTORY:
        raise IntegrityError("a directory stands where a file is expected")
    if len(node.links) != len(node.block_sizes) or 0 in node.block_sizes or (node.links and node.data):
        raise IntegrityError("a file node's links and block sizes do not fit together")
    length = len(node.data) + sum(node.block_sizes)
    if node.file_size not in (None, length):
        raise IntegrityError(f"a file node claims {node.file_size} bytes but its parts make {length}")
    return length


def directory_links(node: UnixFs, max_name_bytes: int) -> tuple[Link, ...]:
    """The entries of a directory, their names checked. Raises IntegrityError for files."""
    if node.kind != Kind.DIRECTORY:
        raise IntegrityError("a file stands where a directory is expected")
    seen: set[bytes] = set()
    for link in node.links:
        check_name(link.name, IntegrityError, max_bytes=max_name_bytes)
        if link.name in seen:
            raise IntegrityError(f"the name {link.name.decode()!r} occurs twice in a directory")
        seen.add(link.name)
    return node.links


def _chunks(get: Get, root: Cid, claimed: int | None) -> Iterator[bytes]:
    """The content of a file in order. Pending nodes wait on a stack: deep trees cost no Python frames."""
    pending, blocks, written = [(root, claimed, 0)], 0, 0
    while pending:
        cid, expected, depth = pending.pop()
        node = load(get, cid)
        length = content_length(node)
        blocks, written = blocks + 1, written + len(node.data)
        if expected not in (None, length):
            raise IntegrityError(f"{cid} holds {length} bytes, its parent claims {expected}")
        if depth > MAX_FILE_DEPTH:
            raise IntegrityError(f"a file tree is deeper than {MAX_FILE_DEPTH} levels")
        if blocks > _FREE_BLOCKS + written // _MEAN_BLOCK_BYTES:
            raise IntegrityError("a file is cut into too many blocks", hint="import it with 1 MiB chunks")
        if node.data:
            yield node.data
        parts = zip(node.links, node.block_sizes, strict=True)
        pending.extend(reversed([(link.cid, size, depth + 1) for link, size in parts]))


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands at `path` below the root: a directory, or a file of `size` bytes."""

    path: tuple[str, ...]
    cid: Cid
    size: int
    is_directory: bool


class _Survey:
    """Lists a DAG before its content is fetched, and refuses it as soon as the claims exceed the limits."""

    def __init__(self, get: Get, limits: ExportLimits) -> None:
        self._get, self._limits = get, limits
        self._bytes = self._count = 0

    def of(self, root: Cid) -> Iterator[_Entry]:
        yield from self._entry(Link(root, b"", 0), ())

    def _entry(self, link: Link, path: tuple[str, ...]) -> Iterator[_Entry]:
        if len(path) > self._limits.max_depth:
            raise IntegrityError(f"the content is more than {self._limits.max_depth} directories deep")
        # A raw leaf's size is its parent's claim; `_write` holds the leaf to it. Nothing is fetched for it here.
        if link.cid.codec == RAW and path:
            self._count_file(link.tsize)
            yield _Entry(path, link.cid, link.tsize, False)
            return
        node = load(self._get, link.cid)
        if node.kind == Kind.DIRECTORY:
            yield _Entry(path, link.cid, 0, True)
            yield from self._children(node, path)
        else:
            self._count_entries(0 if path else 1)
            self._count_file(content_length(node))
            yield _Entry(path, link.cid, content_length(node), False)

    def _children(self, node: UnixFs, path: tuple[str, ...]) -> Iterator[_Entry]:
        links = directory_links(node, self._limits.max_name_bytes)
        self._count_entries(len(links))
        for link in links:
            yield from self._entry(link, (*path, link.name.decode()))

    def _count_entries(self, count: int) -> None:
        self._count += count
        if self._count > self._limits.max_files:
            raise IntegrityError(f"the content has more than {self._limits.max_files} files and directories")

    def _count_file(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.max_bytes:
            raise IntegrityError(f"the content is larger than {self._limits.max_bytes} bytes")


def _write(get: Get, entry: _Entry, path: Path) -> None:
    if entry.is_directory:
        path.mkdir(mode=0o755)
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "wb") as stream:
        for chunk in _chunks(get, entry.cid, entry.size):
            stream.write(chunk)


def _remove(staging: Path) -> None:
    if staging.is_dir() and not staging.is_symlink():
        shutil.rmtree(staging, ignore_errors=True)
    else:
        staging.unlink(missing_ok=True)
