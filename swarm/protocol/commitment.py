# SPDX-License-Identifier: Apache-2.0
"""A seller's commitment to every segment of a job: trace records, leaves, the Merkle root and its proofs.

H is sha256. Numbers are 32-byte big-endian integers, so the contracts' `Commitment` library hashes the same bytes.

    record        >I step, >f loss, >f gradient norm, >I trained tokens        16 bytes an optimiser step
    traceRoot_i   Merkle root of H(0x03 ‖ record); never published. Where leaves are not what is compared (classes
                  tolerance and delivery): H(0x05 ‖ Merkle root ‖ 32 random bytes)
    outputHash_i  H over (name, size, sha256) of the segment's output files
    D_i           H(traceRoot_i ‖ outputHash_i)
    leaf_i        H(0x00 ‖ jobId ‖ i ‖ D_i ‖ outputCid_i)
    segmentRoot   Merkle root of the leaves, inner nodes H(0x01 ‖ left ‖ right), padded on the right with zero words
    seal          H(0x02 ‖ jobId ‖ round ‖ judge ‖ leaf ‖ evidenceCid ‖ salt)
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from swarm.errors import IntegrityError
from swarm.protocol.types import Address, Digest, JobId, Opening

TRACE_RECORD = struct.Struct(">IffI")
_CHUNK = 1 << 20


def sha256(*parts: bytes) -> Digest:
    """H over the parts, one after the other."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    return Digest(hasher.digest())


def word(number: int) -> bytes:
    """A uint256 as the contracts hash it."""
    return number.to_bytes(32, "big")


def trace_root(trace: bytes) -> Digest:
    """Merkle root of a trace file's records. Raises IntegrityError when they are none or not whole."""
    if not trace or len(trace) % TRACE_RECORD.size:
        raise IntegrityError(f"a trace of {len(trace)} bytes is not made of {TRACE_RECORD.size}-byte records")
    size = TRACE_RECORD.size
    return merkle_root([sha256(b"\x03", trace[at : at + size]) for at in range(0, len(trace), size)])


def file_digest(path: Path) -> Digest:
    """sha256 of a file's bytes, read in pieces."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
    return Digest(hasher.digest())


def output_hash(files: Iterable[tuple[str, int, bytes]]) -> Digest:
    """H over (name, size in bytes, sha256) of the output's files, in the order of their names' bytes."""
    hasher = hashlib.sha256(b"\x04")
    for name, size, digest in sorted(files, key=lambda entry: entry[0].encode()):
        encoded = name.encode()
        hasher.update(word(len(encoded)) + encoded + word(size) + digest)
    return Digest(hasher.digest())


def directory_output_hash(directory: Path) -> Digest:
    """`output_hash` of the plain files below `directory`; a name is the path from there, with slashes."""
    entries = sorted(entry for entry in directory.rglob("*") if not entry.is_dir())
    names = ((entry.relative_to(directory).as_posix(), entry) for entry in entries)
    return output_hash((name, entry.stat().st_size, file_digest(entry)) for name, entry in names)


def segment_digest(trace_root_: bytes, output_hash_: bytes) -> Digest:
    """D_i: only somebody who ran the segment knows its preimage."""
    return sha256(trace_root_, output_hash_)


def leaf(job_id: JobId, index: int, digest: bytes, output_cid: bytes) -> Digest:
    """leaf_i, bound to its job and place."""
    return sha256(b"\x00", word(job_id), word(index), digest, output_cid)


def opened_leaf(job_id: JobId, index: int, opening: Opening) -> Digest:
    """The leaf that an opening claims."""
    return leaf(job_id, index, segment_digest(opening.trace_root, opening.output_hash), opening.output_cid)


def merkle_depth(count: int) -> int:
    """Levels above the leaves: ceil(log2 count). Raises ValueError for no leaf at all."""
    if count < 1:
        raise ValueError("a Merkle tree needs at least one leaf")
    return (count - 1).bit_length()


def _levels(leaves: Sequence[bytes]) -> list[list[Digest]]:
    depth = merkle_depth(len(leaves))
    level = [Digest(bytes(leaf_)) for leaf_ in leaves] + [Digest(bytes(32))] * ((1 << depth) - len(leaves))
    levels = [level]
    for _ in range(depth):
        level = [sha256(b"\x01", level[at], level[at + 1]) for at in range(0, len(level), 2)]
        levels.append(level)
    return levels


def merkle_root(leaves: Sequence[bytes]) -> Digest:
    """Root of a tree whose depth is fixed by the number of leaves."""
    return _levels(leaves)[-1][0]


def merkle_proof(leaves: Sequence[bytes], index: int) -> list[Digest]:
    """The siblings from leaf `index` up to the root. Raises IndexError outside the leaves."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    return [level[(index >> height) ^ 1] for height, level in enumerate(_levels(leaves)[:-1])]


def merkle_verify(root: bytes, leaf_: bytes, index: int, count: int, proof: Sequence[bytes]) -> bool:
    """Whether `leaf_` stands at `index` of the `count` leaves under `root`."""
    if not 0 <= index < count or len(proof) != merkle_depth(count):
        return False
    node = bytes(leaf_)
    for height, sibling in enumerate(proof):
        node = sha256(b"\x01", sibling, node) if index >> height & 1 else sha256(b"\x01", node, sibling)
    return node == bytes(root)


def seal(job_id: JobId, round_: int, judge: Address, leaf_: bytes, evidence_cid: bytes, salt: bytes) -> Digest:
    """A committee member's sealed finding; bound to the judge so that nobody can replay it."""
    judge_word = word(int(judge, 16))
    return sha256(b"\x02", word(job_id), word(round_), judge_word, leaf_, evidence_cid, salt)
