# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm.errors import NotFound, SpecError
from swarm.workloads.dataset import Counts, check_dataset, read_dataset

USER = {"role": "user", "content": "Who pays the judge?"}
ASSISTANT = {"role": "assistant", "content": "The levy does."}
SYSTEM = {"role": "system", "content": "Be brief."}
GOOD = json.dumps({"messages": [USER, ASSISTANT]})


def lines(*messages: dict) -> str:
    return json.dumps({"messages": list(messages)})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("", "empty line"),
        ("[]", "expected an object, found list"),
        ("[" * 100_000, "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("{}", "no list 'messages'"),
        ('{"messages": []}', "no list 'messages'"),
        ('{"messages": ["hi"]}', "message 1 is not an object"),
        (lines(ASSISTANT, USER), "wrong order of roles: assistant, user;"),
        (lines(USER, SYSTEM, ASSISTANT), "wrong order of roles"),
        (lines(USER, ASSISTANT, USER), "wrong order of roles"),
        (lines(SYSTEM), "wrong order of roles: system;"),
        (lines({"role": "tool", "content": "x"}, ASSISTANT), "message 1 has role 'tool'"),
        (lines({"role": ["user"], "content": "x"}, ASSISTANT), "message 1 has role"),
        (lines(USER, {"role": "assistant"}), "message 2 (assistant) has no content"),
        (lines(USER, ASSISTANT | {"content": "  \n"}), "message 2 (assistant) has no content"),
        (lines(USER, ASSISTANT | {"content": ["x"]}), "message 2 (assistant) has no content"),
        (lines(USER, ASSISTANT | {"content": "\ud800"}), "half of a surrogate pair"),
        (lines(USER, ASSISTANT | {"weight": 0.5}), "message 2 has weight 0.5, expected 0 or 1"),
        (lines(USER, ASSISTANT | {"weight": True}), "message 2 has weight True, expected 0 or 1"),
        (lines(USER | {"weight": 1}, ASSISTANT), "message 1 has a weight"),
        (lines(USER, ASSISTANT | {"weight": 0}), "nothing to learn"),
        (lines(USER, ASSISTANT | {"tool_calls": []}), "message 2 has an unknown key 'tool_calls'"),
        (lines(USER | {"content": "x" * (1 << 20)}, ASSISTANT), "longer than 1048576 bytes"),
    ],
)
def test_refuses_a_bad_line_by_its_number(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(f"{GOOD}\n{GOOD}\n{line}\n{GOOD}\n", "utf-8")
    with pytest.raises(SpecError) as caught:
        check_dataset(path)
    assert str(caught.value).startswith("chats.jsonl line 3: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\n")
    with pytest.raises(SpecError, match="line 2: not UTF-8 at byte 1"):
        check_dataset(path)


def test_refuses_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(GOOD, "utf-8-sig")
    with pytest.raises(SpecError, match="line 1: starts with a byte order mark"):
        check_dataset(path)


def test_refuses_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.touch()
    with pytest.raises(SpecError, match="empty"):
        check_dataset(path)


def test_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        check_dataset(tmp_path / "chats.jsonl")


def test_counts_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(GOOD + "\n" + lines(SYSTEM, USER, ASSISTANT | {"weight": 0}, USER, ASSISTANT), "utf-8")
    characters = 3 * len(USER["content"]) + 3 * len(ASSISTANT["content"]) + len(SYSTEM["content"])
    assert check_dataset(path) == Counts(examples=2, messages=7, trained=2, characters=characters)


def test_weight_zero_keeps_a_message_out_of_the_loss(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(lines(USER, ASSISTANT | {"weight": 0}, USER, ASSISTANT | {"weight": 1}), "utf-8")
    (conversation,) = read_dataset(path)
    assert [message.trained for message in conversation] == [False, False, False, True]


def test_reads_another_field(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"conversation": [USER, ASSISTANT]}), "utf-8")
    assert check_dataset(path, field="conversation").examples == 1
