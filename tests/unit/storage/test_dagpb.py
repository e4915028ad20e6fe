# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import IntegrityError
from swarm.storage.cid import RAW, cid_of_block
from swarm.storage.dagpb import MAX_BLOCK_BYTES, Kind, Link, UnixFs, decode, decode_varint, encode, encode_varint

LEAF = cid_of_block(b"leaf", RAW)
EMPTY_DIRECTORY = bytes.fromhex("0a020801")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xff" * 9 + b"\x01", "too large"),
        (b"\xff" * 8 + b"\xff\x7f", "too large"),
        (b"\x80\x00", "canonically"),
        (b"\xff", "ends inside"),
        (b"", "ends inside"),
    ],
)
def test_refuses_a_number_that_is_huge_padded_or_cut(data, why):
    with pytest.raises(IntegrityError, match=why):
        decode_varint(data, 0)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x0a",
        b"\x0a\x02\x08",
        b"\x0a\x03\x08\x01",  # claims three bytes, has two
        EMPTY_DIRECTORY * 2,
        EMPTY_DIRECTORY + b"\x12\x00",  # a link after the data
        b"\x12\x00" + EMPTY_DIRECTORY,  # a link without a CID
        b"\x1a\x00" + EMPTY_DIRECTORY,  # an unknown field
        b"\x0d\x00\x00\x00\x00" + EMPTY_DIRECTORY,  # an unknown wire type
        b"\x0a\x02\x08\x06",  # UnixFS type 6
        b"\x0a\x04\x08\x01\x08\x01",  # the type twice
        b"\x0a\x02\x18\x00",  # no type
        b"\x0a\x04\x08\x01\x48\x01",  # field 9
        b"\x0a" + encode_varint(1 << 40) + b"\x08\x01",
        bytes(MAX_BLOCK_BYTES + 1),
    ],
)
def test_refuses_a_malformed_node(block):
    with pytest.raises(IntegrityError):
        decode(block)


@pytest.mark.parametrize("link", [b"\x12\x01a\x12\x01a", b"\x18\x01\x12\x01a", b"\x0a\x03abc", b"\x20\x01"])
def test_refuses_a_malformed_link(link):
    body = b"\x0a\x24" + LEAF.binary + link
    with pytest.raises(IntegrityError):
        decode(b"\x12" + encode_varint(len(body)) + body + EMPTY_DIRECTORY)


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused_with_an_integrity_error(block):
    with contextlib.suppress(IntegrityError):
        decode(block)


def test_the_empty_directory_has_its_known_bytes():
    assert encode(UnixFs(Kind.DIRECTORY, ())) == EMPTY_DIRECTORY


@given(
    st.lists(st.tuples(st.binary(max_size=20), st.integers(0, 2**63 - 1)), max_size=5),
    st.binary(max_size=20),
    st.none() | st.integers(0, 2**63 - 1),
)
def test_what_is_encoded_decodes_to_itself(entries, data, size):
    links = tuple(Link(LEAF, name, tsize) for name, tsize in entries)
    node = UnixFs(Kind.FILE, links, data, size, tuple(tsize for _, tsize in entries))
    assert decode(encode(node)) == node
