# SPDX-License-Identifier: Apache-2.0
"""Content identifiers: CIDv1 with sha2-256 and the codecs raw and dag-pb, written in lower-case base32; nothing else.

On chain content travels as the bare 32-byte digest; `cid_from_digest` and `digest_of` are the two directions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from swarm.errors import IntegrityError, UsageError

RAW = 0x55
DAG_PB = 0x70
CID_BYTES = 36
_CODECS = {RAW: "raw", DAG_PB: "dag-pb"}
_TEXT_LENGTH = 59
_MULTIHASH = b"\x12\x20"  # sha2-256, 32 bytes


@dataclass(frozen=True, slots=True)
class Cid:
    """A parsed CID. `str()` gives its one text form."""

    codec: int
    digest: bytes

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.binary).decode().rstrip("=").lower()

    @property
    def binary(self) -> bytes:
        return bytes((1, self.codec)) + self.multihash

    @property
    def multihash(self) -> bytes:
        return _MULTIHASH + self.digest

    def matches(self, block: bytes) -> bool:
        return hashlib.sha256(block).digest() == self.digest


def cid_of_block(block: bytes, codec: int) -> Cid:
    return Cid(codec, hashlib.sha256(block).digest())


def parse(text: str) -> Cid:
    """Raises UsageError for anything but the canonical text of an accepted CID."""
    if len(text) != _TEXT_LENGTH or not text.startswith("b"):
        raise UsageError(f"{text[:80]!r} is not an accepted CID", hint="CIDv1 with sha2-256 in base32: bafy… or bafk…")
    try:
        cid = from_binary(base64.b32decode(text[1:].upper() + "=" * 6))
    except (binascii.Error, ValueError, IntegrityError) as error:
        raise UsageError(f"{text!r} is not an accepted CID", hint="sha2-256, codec raw or dag-pb") from error
    # Spare bits, capitals and other alphabets would give one content several names.
    if str(cid) != text:
        raise UsageError(f"{text!r} is not written canonically", hint=f"did you mean {cid}")
    return cid


def from_binary(data: bytes) -> Cid:
    """Parses a CID found inside a block or a CAR. Raises IntegrityError."""
    if len(data) != CID_BYTES or data[0] != 1 or data[1] not in _CODECS or data[2:4] != _MULTIHASH:
        raise IntegrityError(
            f"unaccepted CID {data[:8].hex()}… in a block", hint="only CIDv1, sha2-256, raw and dag-pb are accepted"
        )
    return Cid(data[1], bytes(data[4:]))


def cid_from_digest(digest: bytes, codec: int) -> str:
    """The CID of a digest seen on chain; `codec` is RAW for a spec and DAG_PB for a directory."""
    if len(digest) != 32 or codec not in _CODECS:
        raise UsageError("a CID needs a 32-byte digest and the codec raw or dag-pb")
    return str(Cid(codec, bytes(digest)))


def digest_of(cid: str) -> bytes:
    """The 32 bytes that travel on chain."""
    return parse(cid).digest
