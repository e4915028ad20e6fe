# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from swarm.errors import IntegrityError, NotFound
from swarm.workloads.tensors import TensorInfo, read_header, read_model_headers

ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_with(path: Path, header: object, data: bytes = bytes(8)) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"w": 1},
        {"w": ONE | {"dtype": "F31"}},
        {"w": ONE | {"dtype": ["F32"]}},
        {"w": ONE | {"shape": [3]}},
        {"w": ONE | {"shape": [-2]}},
        {"w": ONE | {"shape": [2.0]}},
        {"w": ONE | {"shape": [True, 2]}},
        {"w": ONE | {"shape": [1] * 8 + [2]}},
        {"w": ONE | {"shape": [1 << 62]}},
        {"w": ONE | {"data_offsets": [0]}},
        {"w": ONE | {"data_offsets": [8, 0]}},
        {"w": ONE | {"data_offsets": [8, 16]}},
        {"w": ONE, "x": ONE},
        {},
    ],
)
def test_refuses_a_header_that_lies(tmp_path: Path, header: object) -> None:
    with pytest.raises(IntegrityError):
        read_header(file_with(tmp_path / "w.safetensors", header))


@pytest.mark.parametrize("data", [b"", b"\x01", bytes(8), b"\xff" * 8 + b"{}", (2).to_bytes(8, "little") + b"\xff\xff"])
def test_refuses_a_file_without_a_header(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.safetensors").write_bytes(data)
    with pytest.raises(IntegrityError):
        read_header(tmp_path / "w.safetensors")


def test_refuses_a_header_nested_a_hundred_thousand_deep(tmp_path: Path) -> None:
    text = b"[" * 100_000
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(IntegrityError):
        read_header(tmp_path / "w.safetensors")


def test_refuses_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_header(tmp_path / "w.safetensors")
    with pytest.raises(NotFound):
        read_model_headers(tmp_path)


@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "w.safetensors"
    path.write_bytes(data)
    try:
        read_header(path)
    except IntegrityError:
        return
    assert data[8:].startswith(b"{")


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    weights = {"b": np.zeros((2, 3), np.float32), "a": np.zeros(1, np.int64), "c": np.zeros((0, 4), np.float16)}
    (tmp_path / "w.safetensors").write_bytes(save(weights, metadata={"format": "pt"}))
    assert read_header(tmp_path / "w.safetensors") == {
        "a": TensorInfo("I64", (1,)),
        "b": TensorInfo("F32", (2, 3)),
        "c": TensorInfo("F16", (0, 4)),
    }
