# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.errors import IntegrityError, UsageError
from swarm.storage.cid import DAG_PB, RAW, Cid, cid_from_digest, cid_of_block, digest_of, from_binary, parse

HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"  # "hello world", published with IPIP-0499
EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN",  # version 0
        "zb2rhj7crUKTQYRGCRATFaQ6YFLTde2YzdqbbhAASkL9uRDXn",  # base58
        HELLO.upper(),
        HELLO + "a",
        HELLO[:-1] + "f",  # spare bits set: the same bytes, another text
        HELLO[:-1] + "1",
        "bafyrei" + HELLO[7:],  # dag-cbor
        "bafkr4i" + HELLO[7:],  # another hash
        HELLO.replace("a", "\u0430"),
        "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"[:-2] + "==",
    ],
)
def test_refuses_a_text_that_is_not_the_canonical_cid_of_accepted_content(text):
    with pytest.raises(UsageError, match=r"CID|canonical"):
        parse(text)


@pytest.mark.parametrize(
    "data", [b"", b"\x12\x20" + bytes(32), b"\x01\x55\x12\x20" + bytes(31), b"\x01\x71\x12\x20" + bytes(32)]
)
def test_refuses_a_binary_cid_of_another_version_length_or_codec(data):
    with pytest.raises(IntegrityError):
        from_binary(data)


def test_refuses_a_digest_of_another_length_and_an_unknown_codec():
    with pytest.raises(UsageError):
        cid_from_digest(bytes(31), RAW)
    with pytest.raises(UsageError):
        cid_from_digest(bytes(32), 0x71)


def test_names_hello_world_and_nothing_as_every_implementation_does():
    assert str(cid_of_block(b"hello world", RAW)) == HELLO
    assert str(cid_of_block(b"", RAW)) == EMPTY
    assert digest_of(HELLO) == hashlib.sha256(b"hello world").digest()


def test_a_block_matches_its_own_cid_only():
    cid = cid_of_block(b"hello world", RAW)
    assert cid.matches(b"hello world")
    assert not cid.matches(b"hello worle")


@given(st.binary(min_size=32, max_size=32), st.sampled_from([RAW, DAG_PB]))
def test_text_binary_and_digest_lead_back_to_the_same_cid(digest, codec):
    cid = Cid(codec, digest)
    assert parse(str(cid)) == from_binary(cid.binary) == cid
    assert cid_from_digest(digest_of(str(cid)), codec) == str(cid)
