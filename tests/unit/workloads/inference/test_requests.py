# SPDX-License-Identifier: Apache-2.0
import re

import pytest

from swarm.errors import NotFound, SpecError
from swarm.workloads.inference.requests import check_requests, read_requests
from swarm.workloads.jsonl import MAX_LINE_BYTES
from tests.unit.workloads.inference.conftest import ask

USER = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "empty line"),
        (b"{", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"[" * 1000, "too many brackets"),
        (b'{"custom_id": ' + b"9" * 5000 + b"}", "a number too long"),
        (b"x" * (MAX_LINE_BYTES + 1), f"longer than {MAX_LINE_BYTES} bytes"),
        (b'["a"]', "expected an object, found list"),
        ({"messages": USER}, "custom_id: expected 1 to 256 printable characters"),
        (ask(""), "custom_id: expected"),
        (ask("x" * 257), "custom_id: expected"),
        (ask("a\nb"), "custom_id: expected"),
        (ask("\ud800"), "custom_id: expected"),
        ({"custom_id": 5, "messages": USER}, "custom_id: expected"),
        ({"custom_id": "b"}, "no list 'messages'"),
        ({"custom_id": "b", "messages": []}, "no list 'messages'"),
        ({"custom_id": "b", "messages": ["hi"]}, "message 1 is not an object"),
        ({"custom_id": "b", "messages": [{"role": "user", "content": "x", "name": "y"}]}, "unknown key 'name'"),
        ({"custom_id": "b", "messages": [{"role": "tool", "content": "x"}]}, "message 1 has role 'tool'"),
        ({"custom_id": "b", "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "no text as its content"),
        (ask("b", " "), "message 1 (user) has no text"),
        (ask("b", "half \ud83d"), "half of a surrogate pair"),
        ({"custom_id": "b", "messages": [*USER, {"role": "assistant", "content": "x"}]}, "a user at the end"),
        ({"custom_id": "b", "messages": [*USER, *USER]}, "wrong order of roles: user, user"),
        (ask("b", max_tokens=17), "max_tokens: found 17, expected 1 to 16 (the spec's max_tokens)"),
        (ask("b", max_tokens=True), "max_tokens: found True"),
        (ask("b", max_tokens=1.5), "max_tokens: found 1.5"),
        (ask("b", max_tokens=3, max_completion_tokens=3), "expected one of them"),
        (ask("b", temperature=1), "temperature: found 1, expected 0.5: the whole job samples as its spec says"),
        (ask("b", seed=8), "seed: found 8, expected 7"),
        (ask("b", n=2), "n: found 2, expected 1"),
        (ask("b", n=True), "n: found True, expected 1"),
        (ask("b", stream=True), "stream: found True, expected False"),
        (ask("b", tools=[]), "unknown key 'tools'"),
        (ask("b", model=3), "model: expected text"),
        ({"custom_id": "b", "body": {"messages": USER}, "messages": USER}, "unknown key 'messages'"),
        ({"custom_id": "b", "body": []}, "body: expected an object, found list"),
        ({"custom_id": "b", "url": "/v1/embeddings", "body": {"messages": USER}}, "url /v1/chat/completions"),
        ({"custom_id": "b", "method": "GET", "body": {"messages": USER}}, "expected method POST"),
        (ask("a"), "custom_id 'a' stands on another line too"),
    ],
)
def test_refuses_a_line_by_its_number(lines, allowed, line, words):
    with pytest.raises(SpecError) as caught:
        check_requests(lines(ask("a"), line), allowed)
    assert re.match(r"requests\.jsonl line 2( column \d+)?: ", str(caught.value)) and words in str(caught.value)
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_refuses_an_empty_a_missing_file_and_one_with_a_byte_order_mark(lines, allowed, tmp_path):
    with pytest.raises(SpecError, match="the file is empty"):
        check_requests(lines(), allowed)
    with pytest.raises(NotFound):
        check_requests(tmp_path / "none.jsonl", allowed)
    with pytest.raises(SpecError, match="byte order mark"):
        check_requests(lines(b"\xef\xbb\xbf{}"), allowed)


def test_reads_openai_s_shape_and_the_short_one(lines, allowed):
    body = {"model": "gpt-4o", "messages": USER, "max_tokens": 4, "temperature": 0.5, "seed": 7, "n": 1, "top_p": 1.0}
    path = lines(
        {"custom_id": "long", "method": "POST", "url": "/v1/chat/completions", "body": body},
        {"custom_id": "short", "messages": [{"role": "system", "content": "Be brief."}, *USER]},
    )
    long, short = read_requests(path, allowed)
    assert (long.custom_id, long.max_tokens, [turn.role for turn in long.messages]) == ("long", 4, ["user"])
    assert (short.custom_id, short.max_tokens, [turn.role for turn in short.messages]) == (
        "short",
        16,
        ["system", "user"],
    )
    counts = check_requests(path, allowed)
    assert (counts.requests, counts.messages, counts.ignored_models) == (2, 3, 1)


def test_reads_one_line_at_a_time(lines, allowed):
    """What follows a good line is not looked at before it is asked for."""
    stream = read_requests(lines(ask("a"), b"not JSON"), allowed)
    assert next(stream).custom_id == "a"
    with pytest.raises(SpecError, match="line 2"):
        next(stream)
