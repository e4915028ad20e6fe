# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import IntegrityError
from swarm.storage.car import CarReader, CarStream, header, section
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.dagpb import encode_varint

BLOCKS = [(cid_of_block(data, RAW), data) for data in (b"one", b"", b"x" * 1000)]
ROOT = BLOCKS[0][0]
CAR = header([ROOT]) + b"".join(section(cid, data) for cid, data in BLOCKS)
NOT_CARS = [b"", b"\x00", b"\x05hello", b"\xff" * 12, header([ROOT]).replace(b"version\x01", b"version\x02")]


def read(data: bytes) -> list:
    return list(CarReader(io.BytesIO(data)).blocks())


@pytest.mark.parametrize("data", NOT_CARS)
def test_refuses_what_is_not_a_car(data):
    with pytest.raises(IntegrityError):
        read(data)


def test_refuses_a_block_whose_bytes_do_not_match():
    with pytest.raises(IntegrityError, match="do not match"):
        read(header([ROOT]) + section(ROOT, b"two"))


def test_refuses_every_car_cut_inside_a_section():
    whole = {len(header([ROOT]))}
    for cid, data in BLOCKS:
        whole.add(max(whole) + len(section(cid, data)))
    for length in set(range(len(CAR))) - whole:
        with pytest.raises(IntegrityError):
            read(CAR[:length])


@pytest.mark.parametrize("length", [0, 35, (2 << 20) + 37, 1 << 34])
def test_refuses_a_section_of_absurd_length_before_reading_it(length):
    data = io.BytesIO(header([ROOT]) + encode_varint(length) + ROOT.binary)
    with pytest.raises(IntegrityError, match="bounds"):
        list(CarReader(data).blocks())


def test_refuses_a_header_with_too_many_roots():
    with pytest.raises(ValueError, match="1 to 16"):
        header([ROOT] * 17)
    with pytest.raises(IntegrityError):
        read(b"\xff\x07" + bytes(1023))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=6), st.integers(1, 50))
def test_what_is_written_is_read_back_in_pieces_of_any_size(contents, piece):
    blocks = [(cid_of_block(data, RAW), data) for data in contents]
    roots = [cid for cid, _ in blocks]
    data = header(roots) + b"".join(section(cid, data) for cid, data in blocks)
    stream = CarStream(data[at : at + piece] for at in range(0, len(data), piece))
    car = CarReader(io.BufferedReader(stream))
    assert list(car.roots) == roots
    assert list(car.blocks()) == blocks
