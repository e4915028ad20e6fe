# SPDX-License-Identifier: Apache-2.0
"""Reads the headers of safetensors files from strangers: bounded, and every claim checked against the file's size.

Format: uint64 little-endian header length, JSON header {name: {dtype, shape, data_offsets}}, data without gaps.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from swarm import hostile_json
from swarm.errors import IntegrityError, NotFound

MAX_HEADER_BYTES = 16 << 20
MAX_DIMENSIONS = 8
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
_BYTES |= {"I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor's claim, checked: safetensors dtype name and shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, TensorInfo]:
    """All tensors of one file by name. Raises IntegrityError for a header that lies, NotFound without a file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
                raise IntegrityError(f"{path.name}: a header of {length} bytes does not fit a file of {size}")
            header = _parse(file.read(length), path)
    except OSError as error:
        raise NotFound(f"{path.name}: no such safetensors file") from error
    return _checked(header, size - 8 - length, path)


def read_model_headers(folder: Path) -> dict[str, TensorInfo]:
    """All tensors of a model folder (one file or shards). Raises IntegrityError when two files claim one name."""
    tensors: dict[str, TensorInfo] = {}
    for path in sorted(folder.glob("*.safetensors")):
        header = read_header(path)
        if twice := header.keys() & tensors.keys():
            raise IntegrityError(f"{path.name}: tensor {min(twice)[:80]!r} stands in another file too")
        tensors |= header
    if not tensors:
        raise NotFound(f"{folder.name}: the model folder holds no safetensors weights")
    return tensors


def _parse(data: bytes, path: Path) -> dict:
    try:
        header = hostile_json.parse(data)
    except ValueError as error:
        raise IntegrityError(f"{path.name}: the header is not JSON") from error
    if not isinstance(header, dict):
        raise IntegrityError(f"{path.name}: the header is not an object")
    header.pop("__metadata__", None)
    return header


def _checked(header: dict, data_bytes: int, path: Path) -> dict[str, TensorInfo]:
    tensors, spans = {}, []
    for name, claim in header.items():
        info, begin, end = _claim(claim, name, path)
        tensors[name] = info
        spans.append((begin, end))
    position = 0
    for begin, end in sorted(spans):
        if begin != position:
            raise IntegrityError(f"{path.name}: the tensors overlap or leave gaps")
        position = end
    if position != data_bytes:
        raise IntegrityError(f"{path.name}: the header describes {position} bytes of data, the file has {data_bytes}")
    return tensors


def _claim(claim: object, name: str, path: Path) -> tuple[TensorInfo, int, int]:
    lie = IntegrityError(f"{path.name}: tensor {name[:80]!r} is described wrongly")
    if not isinstance(claim, dict) or str(claim.get("dtype")) not in _BYTES:
        raise lie
    shape, offsets = claim.get("shape"), claim.get("data_offsets")
    if not _naturals(shape) or not _naturals(offsets) or len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise lie
    if offsets[1] - offsets[0] != math.prod(shape) * _BYTES[claim["dtype"]]:
        raise lie
    return TensorInfo(claim["dtype"], tuple(shape)), offsets[0], offsets[1]


def _naturals(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
