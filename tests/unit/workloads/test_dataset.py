# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest

from swarm.errors import NotFound, SpecError
from swarm.workloads.dataset import Counts, Examples, Format, Message, check_dataset, read_dataset

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
        (lines(USER, ASSISTANT | {"content": "  \n"}), "nothing to learn"),
        (lines(USER | {"content": ""}, ASSISTANT), "message 1 (user) has no content"),
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
    assert str(caught.value).startswith("chats.jsonl line 3")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(GOOD.encode() + b"\n\xff\n")
    with pytest.raises(SpecError, match="line 2 column 1: not UTF-8 at byte 1"):
        check_dataset(path)


def test_refuses_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(GOOD, "utf-8-sig")
    with pytest.raises(SpecError, match="line 1 column 1: starts with a byte order mark"):
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


@pytest.mark.parametrize(
    ("line", "place", "fix"),
    [
        ('{"messages": [],}', "column 17: not JSON", "remove the comma before the bracket"),
        ('{"messages": [1, ]}', "column 18: not JSON", "remove the comma before the bracket"),
        ("{'messages': []}", "column 2: not JSON", "write double quotes: a Python dict is no JSON"),
        ('{"messages": None}', "column 14: not JSON", "write true, false or null"),
        ('{"messages": [', "column 15: not JSON", "write one whole JSON object a line"),
        (lines(USER, USER, ASSISTANT), "column 67: wrong order of roles", "join or drop the turn that is out of turn"),
        (lines(USER, ASSISTANT, USER), "column 119: wrong order of roles", "end with an answer"),
        (lines(USER), "column 15: wrong order of roles", "end with an answer"),
        (lines(USER, ASSISTANT, {"role": "robot", "content": "x"}), "column 119: message 3 has role", ""),
        ("", ": empty line", "remove it"),
    ],
)
def test_says_where_in_the_line_and_what_to_do(tmp_path: Path, line: str, place: str, fix: str) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(f"{GOOD}\n{line}\n", "utf-8")
    with pytest.raises(SpecError) as caught:
        check_dataset(path)
    assert place in str(caught.value)
    assert fix in str(caught.value)


def test_an_array_over_many_lines_is_no_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "chats.json"
    path.write_text("[\n" + GOOD + "\n]\n")
    with pytest.raises(SpecError, match="not one array over many lines"):
        check_dataset(path)


def test_an_empty_answer_is_context_only(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(lines(USER, ASSISTANT | {"content": ""}, USER, ASSISTANT), "utf-8")
    (conversation,) = read_dataset(path)
    assert [message.trained for message in conversation] == [False, False, False, True]


def test_trains_on_the_roles_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(lines(SYSTEM, USER, ASSISTANT), "utf-8")
    (conversation,) = read_dataset(path, format_=Format(roles_to_train=("assistant", "user")))
    assert [message.trained for message in conversation] == [False, True, True]


def test_reads_sharegpt_through_the_property_mappings(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    turns = [{"from": "human", "value": "Who pays?"}, {"from": "gpt", "value": "The levy."}]
    path.write_text(json.dumps({"conversations": turns}))
    format_ = Format(field_messages="conversations", role_key="from", content_key="value")
    (conversation,) = read_dataset(path, format_=format_)
    assert conversation == (Message("user", "Who pays?", False), Message("assistant", "The levy.", True))


ALPACA = {"instruction": "Add {input}.", "input": "1 and {2}", "output": "3"}


@pytest.mark.parametrize(
    ("kind", "row", "pieces"),
    [
        ("completion", {"text": "Once."}, [("Once.", True)]),
        ("prompt_completion", {"prompt": "1 + 1 =", "completion": " 2"}, [("1 + 1 =", False), (" 2", True)]),
    ],
)
def test_reads_plain_text(tmp_path: Path, kind: str, row: dict, pieces: list) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (example,) = read_dataset(path, format_=Format(kind))
    assert [(piece.content, piece.trained) for piece in example] == pieces
    assert {piece.role for piece in example} == {"text"}


def test_reads_alpaca_with_its_own_prompts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ALPACA | {"input": ""}) + "\n" + json.dumps(ALPACA))
    without, with_input = read_dataset(path, format_=Format("alpaca"))
    assert without[0].content.endswith("### Instruction:\nAdd {input}.\n\n### Response:\n")
    assert "### Input:\n1 and {2}\n\n### Response:\n" in with_input[0].content
    assert [piece.trained for piece in with_input] == [False, True]


@pytest.mark.parametrize(
    ("kind", "row", "reason"),
    [
        ("completion", {"body": "x"}, "no text 'text', found the keys ['body']"),
        ("completion", {"text": " "}, "column 2: 'text' is empty or no text"),
        ("prompt_completion", {"prompt": "x"}, "no text 'completion'"),
        ("prompt_completion", {"prompt": "x", "completion": 7}, "'completion' is empty or no text"),
        ("alpaca", {"instruction": "x", "output": ""}, "'output' is empty or no text"),
        ("alpaca", {"instruction": "x", "input": ["y"], "output": "z"}, "'input' is empty or no text"),
    ],
)
def test_refuses_plain_text_that_is_not_there(tmp_path: Path, kind: str, row: dict, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(SpecError) as caught:
        check_dataset(path, format_=Format(kind))
    assert reason in str(caught.value)


def test_examples_are_read_again_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"line {n} ü"}) + "\n" for n in range(9)), "utf-8")
    examples = Examples(path, format_=Format("completion"), keep=lambda index: index % 2 == 1)
    assert len(examples) == 4
    assert [examples[at][0].content for at in (3, 0)] == ["line 7 ü", "line 1 ü"]


def test_examples_refuse_a_bad_line_that_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(GOOD + "\n{}\n")
    with pytest.raises(SpecError, match="line 2"):
        Examples(path, keep=lambda index: index == 0)


def test_one_line_is_a_data_set(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(GOOD)
    assert check_dataset(path).examples == 1


@pytest.mark.timeout(60)
def test_a_hundred_thousand_lines_are_checked_in_ten_seconds(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text((GOOD + "\n") * 100_000)
    began = time.process_time()
    assert check_dataset(path).examples == 100_000
    assert time.process_time() - began < 10


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A tenth of the lines: the peak of Python's own memory is the same within 256 KiB."""
    peaks = []
    for count in (3_000, 30_000):
        path = tmp_path / f"{count}.jsonl"
        path.write_text((GOOD + "\n") * count)
        tracemalloc.start()
        check_dataset(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        path.unlink()
    assert abs(peaks[1] - peaks[0]) < 1 << 18
