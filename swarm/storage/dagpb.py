# SPDX-License-Identifier: Apache-2.0
"""The dag-pb node and the UnixFS message in its Data field: strict, canonical, bounded.

Formats: ipld.io/specs/codecs/dag-pb and specs.ipfs.tech/unixfs. All decoders raise IntegrityError on anything odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from swarm.errors import IntegrityError
from swarm.storage.cid import Cid, from_binary

MAX_BLOCK_BYTES = 2 << 20
MAX_VARINT = (1 << 63) - 1

_VARINT, _BYTES = 0, 2


class Kind(IntEnum):
    """The type field of a UnixFS message."""

    RAW = 0
    DIRECTORY = 1
    FILE = 2
    METADATA = 3
    SYMLINK = 4
    HAMT_SHARD = 5


@dataclass(frozen=True, slots=True)
class Link:
    """A child: its CID, its name (empty inside files) and the bytes of its whole DAG as claimed by the parent."""

    cid: Cid
    name: bytes
    tsize: int


@dataclass(frozen=True, slots=True)
class UnixFs:
    """One dag-pb node read as UnixFS. block_sizes[i] is the content length claimed for links[i]."""

    kind: Kind
    links: tuple[Link, ...]
    data: bytes = b""
    file_size: int | None = None
    block_sizes: tuple[int, ...] = ()


def encode(node: UnixFs) -> bytes:
    """The canonical block of a directory or of an inner file node."""
    message = _number(1, node.kind)
    if node.data:
        message += _string(2, node.data)
    if node.file_size is not None:
        message += _number(3, node.file_size)
    message += b"".join(_number(4, size) for size in node.block_sizes)
    links = b"".join(_string(2, _encode_link(link)) for link in node.links)
    return links + _string(1, message)


def decode(block: bytes) -> UnixFs:
    """Reads a dag-pb block. Raises IntegrityError unless it is a canonical node with a UnixFS message."""
    if len(block) > MAX_BLOCK_BYTES:
        raise IntegrityError(f"a block of {len(block)} bytes exceeds {MAX_BLOCK_BYTES}")
    links, message = [], None
    for field, value in _fields(block):
        if field == 2 and isinstance(value, bytes) and message is None:
            links.append(_decode_link(value))
        elif field == 1 and isinstance(value, bytes) and message is None:
            message = value
        else:
            raise IntegrityError(f"unexpected field {field} in a dag-pb node")
    if message is None:
        raise IntegrityError("a dag-pb node without UnixFS data")
    return _decode_message(message, tuple(links))


def encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, position: int) -> tuple[int, int]:
    """(value, next position). Refuses numbers above 2^63 - 1 and padded encodings."""
    value = shift = 0
    while shift < 63:
        if position >= len(data):
            raise IntegrityError("a block ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if byte == 0 and shift > 7:
                raise IntegrityError("a number is not written canonically")
            return value, position
    raise IntegrityError("a number in a block is too large")


def _encode_link(link: Link) -> bytes:
    return _string(1, link.cid.binary) + _string(2, link.name) + _number(3, link.tsize)


def _decode_link(data: bytes) -> Link:
    cid, name, tsize, last = None, b"", 0, 0
    for field, value in _fields(data):
        if field <= last:
            raise IntegrityError("fields of a dag-pb link repeat or are out of order")
        last = field
        if field == 1 and isinstance(value, bytes):
            cid = from_binary(value)
        elif field == 2 and isinstance(value, bytes):
            name = value
        elif field == 3 and isinstance(value, int):
            tsize = value
        else:
            raise IntegrityError(f"unexpected field {field} in a dag-pb link")
    if cid is None:
        raise IntegrityError("a dag-pb link without a CID")
    return Link(cid, name, tsize)


def _decode_message(message: bytes, links: tuple[Link, ...]) -> UnixFs:
    single: dict[int, int | bytes] = {}
    block_sizes = []
    for field, value in _fields(message):
        if field == 4 and isinstance(value, int):
            block_sizes.append(value)
        # 5 to 8: hash type and fanout of a shard, mode and time; none of them is used here.
        elif field in range(1, 9) and field not in single and isinstance(value, bytes) == (field in (2, 8)):
            single[field] = value
        else:
            raise IntegrityError(f"unexpected field {field} in a UnixFS message")
    if single.get(1) not in list(Kind):
        raise IntegrityError(f"unknown UnixFS type {single.get(1)}")
    return UnixFs(Kind(single[1]), links, single.get(2, b""), single.get(3), tuple(block_sizes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        key, position = decode_varint(data, position)
        value, position = decode_varint(data, position)
        if key & 7 == _VARINT:
            yield key >> 3, value
        elif key & 7 == _BYTES and position + value <= len(data):
            yield key >> 3, data[position : position + value]
            position += value
        else:
            raise IntegrityError("a field of a block is cut short or of an unknown wire type")


def _number(field: int, value: int) -> bytes:
    return encode_varint(field << 3 | _VARINT) + encode_varint(value)


def _string(field: int, value: bytes) -> bytes:
    return encode_varint(field << 3 | _BYTES) + encode_varint(len(value)) + value
