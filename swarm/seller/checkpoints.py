# SPDX-License-Identifier: Apache-2.0
"""Whole segments of a job that is not finished: a pause, a crash or a power cut costs at most the segment at work.

    <home>/work/<job>/run/     what the sandbox works in: emptied at every start
    <home>/work/<job>/kept/    whole segments of earlier starts, out of reach of any sandbox

A segment counts once its digests are in the journal, which happens after its bytes are on the disk. It is continued
from, and committed to, only while it still has them: a seller is slashed for what it commits, not for what was meant.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

from swarm.errors import IntegrityError
from swarm.execution.segments import MAX_TRACE_BYTES, Product
from swarm.journal import Journal
from swarm.protocol.types import Job

KIND = "segments"
_MAX_FILES = 64
_CHUNK = 1 << 20


class Checkpoints:
    """The segments of one job. Everything in `run` was written by a stranger's program."""

    def __init__(self, journal: Journal, folder: Path, job: Job) -> None:
        self._journal, self._folder, self._job = journal, folder, job

    @property
    def run_folder(self) -> Path:
        return self._folder / "run"

    @property
    def staging(self) -> Path:
        return self._folder / "staging"

    def note(self, segment: object) -> bool:
        """A program says that it has ended a segment: it is written down if it is whole. Never raises for its files."""
        first = self._job.terms.first_segment
        if type(segment) is not int or not first <= segment < first + self._job.segments:
            return False
        try:
            digest = _digest(_product(self.run_folder / "outputs", segment), flush=True)
        except (OSError, IntegrityError):
            return False
        noted = self._journal.get(KIND, self._key) or {}
        self._journal.put(KIND, self._key, noted | {str(segment): digest})
        return True

    def harvest(self) -> None:
        """Moves what an ended run has left and written down out of the sandbox's reach."""
        # Links of a publication that was cut off: a file with two names counts as somebody's trick.
        shutil.rmtree(self.staging, ignore_errors=True)
        outputs, kept = self.run_folder / "outputs", self._folder / "kept"
        for segment in self._noted():
            made, target = _product(outputs, segment), _product(kept, segment)
            if _is_there(made) and not target.output.exists():
                target.trace.parent.mkdir(parents=True, exist_ok=True)
                target.output.parent.mkdir(parents=True, exist_ok=True)
                # The trace first: an output without one does not count.
                os.replace(made.trace, target.trace)
                os.replace(made.output, target.output)
        shutil.rmtree(self.run_folder, ignore_errors=True)

    def kept(self) -> tuple[Product, ...]:
        """The whole segments from the job's first one on, without a gap, each as it was written down."""
        found = []
        first = self._job.terms.first_segment
        noted = self._noted()
        for segment in range(first, first + self._job.segments):
            product = _product(self._folder / "kept", segment)
            if segment not in noted or not _is(product, noted[segment]):
                break
            found.append(product)
        self._drop_after(len(found))
        return tuple(found)

    def count(self) -> int:
        """How many segments are written down, without reading them again."""
        noted, first = self._noted(), self._job.terms.first_segment
        return next((at for at in range(self._job.segments) if first + at not in noted), self._job.segments)

    def forget(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._journal.delete(KIND, self._key)

    @property
    def _key(self) -> str:
        return str(self._job.job_id)

    def _noted(self) -> dict[int, str]:
        return {int(segment): digest for segment, digest in (self._journal.get(KIND, self._key) or {}).items()}

    def _drop_after(self, count: int) -> None:
        """What comes after a gap is made again."""
        last = self._job.terms.first_segment + count
        noted = self._noted()
        if any(segment >= last for segment in noted):
            for segment in noted:
                if segment >= last:
                    product = _product(self._folder / "kept", segment)
                    shutil.rmtree(product.output, ignore_errors=True)
                    product.trace.unlink(missing_ok=True)
            left = {str(segment): digest for segment, digest in noted.items() if segment < last}
            self._journal.put(KIND, self._key, left)


def _product(folder: Path, segment: int) -> Product:
    return Product(segment, folder / "segments" / f"{segment:04d}", folder / "traces" / f"{segment:04d}.bin")


def _is_there(product: Product) -> bool:
    """Whether a program left a folder and a file there, and no link leads elsewhere."""
    try:
        folders = _no_link(product.output), _no_link(product.trace.parent)
    except IntegrityError:
        return False
    return all(folder.is_dir() for folder in folders) and product.trace.is_file() and not product.trace.is_symlink()


def _is(product: Product, digest: str) -> bool:
    try:
        return _digest(product) == digest
    except (OSError, IntegrityError):
        return False


def _digest(product: Product, *, flush: bool = False) -> str:
    """sha256 over names, sizes and bytes of trace and output; with `flush` they are on the disk when it returns.

    Raises IntegrityError for anything but plain files, OSError for what cannot be read. No link is followed.
    """
    mixed = hashlib.sha256()
    _add(mixed, product.trace.parent, product.trace.name, flush, limit=MAX_TRACE_BYTES)
    names = sorted(os.listdir(_no_link(product.output)))
    if not 0 < len(names) <= _MAX_FILES:
        raise IntegrityError(f"a segment of {len(names)} files")
    for name in names:
        _add(mixed, product.output, name, flush)
    if flush:
        for folder in (product.output, product.output.parent, product.trace.parent):
            _flush_folder(folder)
    return mixed.hexdigest()


def _add(mixed: hashlib._Hash, folder: Path, name: str, flush: bool, limit: int | None = None) -> None:
    # Without O_NONBLOCK a pipe would hold us; what was opened is looked at, not what a path names.
    descriptor = os.open(_no_link(folder) / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise IntegrityError(f"{name!r} is no plain file")
        if limit is not None and status.st_size > limit:
            raise IntegrityError(f"{name!r} is too large")
        if flush:
            os.fsync(descriptor)
        mixed.update(f"{len(name)} {name} {status.st_size} ".encode())
        left = status.st_size
        while left and (chunk := file.read(min(_CHUNK, left))):
            mixed.update(chunk)
            left -= len(chunk)


def _no_link(folder: Path) -> Path:
    """The folder, unless it or what it lies in is a link: the three levels a program can write."""
    for level in (folder, folder.parent, folder.parent.parent):
        if level.is_symlink():
            raise IntegrityError(f"{level.name!r} is a link")
    return folder


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
