# SPDX-License-Identifier: Apache-2.0
"""CARv1 (ipld.io/specs/transport/car/carv1): a header naming the roots, then blocks; written and read as a stream."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from swarm.errors import IntegrityError
from swarm.storage.cid import CID_BYTES, Cid, from_binary
from swarm.storage.dagpb import MAX_BLOCK_BYTES, encode_varint

MAX_ROOTS = 16

# The dag-cbor map {"roots": [CID, …], "version": 1} has one canonical form, so it is compared, not parsed.
_BEFORE_ROOTS = b"\xa2\x65roots"
_BEFORE_CID = b"\xd8\x2a\x58\x25\x00"
_AFTER_ROOTS = b"\x67version\x01"
_MAX_HEADER = len(_BEFORE_ROOTS) + 1 + MAX_ROOTS * (len(_BEFORE_CID) + CID_BYTES) + len(_AFTER_ROOTS)


def header(roots: Iterable[Cid]) -> bytes:
    roots = list(roots)
    if not 1 <= len(roots) <= MAX_ROOTS:
        raise ValueError(f"a CAR names 1 to {MAX_ROOTS} roots")
    listed = b"".join(_BEFORE_CID + cid.binary for cid in roots)
    body = _BEFORE_ROOTS + bytes((0x80 + len(roots),)) + listed + _AFTER_ROOTS
    return encode_varint(len(body)) + body


def section(cid: Cid, block: bytes) -> bytes:
    return section_prefix(cid, len(block)) + block


def section_prefix(cid: Cid, length: int) -> bytes:
    """What stands before a block of `length` bytes; lets a sender compute the size of a CAR without reading blocks."""
    return encode_varint(CID_BYTES + length) + cid.binary


class CarReader:
    """Reads a CAR from a stream: `roots`, then `blocks()`. Raises IntegrityError for lies, truncation and oversize."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.roots = self._read_roots()

    def blocks(self) -> Iterator[tuple[Cid, bytes]]:
        """Every block with its CID, hashed. A clean end says nothing about completeness: check the DAG."""
        while (length := self._varint()) is not None:
            if not CID_BYTES <= length <= CID_BYTES + MAX_BLOCK_BYTES:
                raise IntegrityError(f"a CAR section of {length} bytes is out of bounds")
            cid = from_binary(self._exactly(CID_BYTES))
            block = self._exactly(length - CID_BYTES)
            if not cid.matches(block):
                raise IntegrityError(f"the bytes sent for {cid} do not match it")
            yield cid, block

    def _read_roots(self) -> tuple[Cid, ...]:
        length = self._varint()
        if length is None or length > _MAX_HEADER:
            raise IntegrityError("not a CAR: its header is missing or too large")
        body = self._exactly(length)
        size, start = len(_BEFORE_CID) + CID_BYTES, len(_BEFORE_ROOTS) + 1
        starts = range(start, length - len(_AFTER_ROOTS), size)
        roots = tuple(from_binary(body[at + len(_BEFORE_CID) : at + size]) for at in starts)
        if not 1 <= len(roots) <= MAX_ROOTS or header(roots) != encode_varint(length) + body:
            raise IntegrityError("not a CAR of version 1 with 1 to 16 accepted roots")
        return roots

    def _varint(self) -> int | None:
        value = shift = 0
        while shift < 35:
            byte = self._stream.read(1)
            if not byte:
                if shift:
                    raise IntegrityError("the CAR is truncated")
                return None
            value |= (byte[0] & 0x7F) << shift
            if byte[0] < 0x80:
                return value
            shift += 7
        raise IntegrityError("a CAR section claims an absurd length")

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) != count:
            raise IntegrityError("the CAR is truncated")
        return data


class CarStream(io.RawIOBase):
    """A readable file made of pieces produced on demand, for clients that want a file to upload."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
