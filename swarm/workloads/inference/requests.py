# SPDX-License-Identifier: Apache-2.0
"""Reads requests: JSON Lines in OpenAI's batch shape or a short one, checked while they stream, one at a time.

    {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": […], "max_tokens": 64}}
    {"custom_id": "1", "messages": [{"role": "system", …}, {"role": "user", "content": "…"}], "max_tokens": 64}

An optional system message, then user and assistant in turn, ending with the user. The job program reads through the
same code as the buyer's check. What a body says about sampling must be what the spec says: judges check by the spec.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm.errors import SpecError
from swarm.workloads.example import Message
from swarm.workloads.jsonl import BadLine, lines_of, object_of

MAX_ID_CHARACTERS = 256
_ORDER = re.compile(r"s?u(au)*")
_LETTER = {"system": "s", "user": "u", "assistant": "a"}
_ENVELOPE = {"custom_id", "method", "url", "body"}
_LIMITS = ("max_tokens", "max_completion_tokens")
# What OpenAI's bodies may hold and changes nothing here, with the only value that changes nothing.
_NEUTRAL = {"n": 1, "top_p": 1, "stream": False, "presence_penalty": 0, "frequency_penalty": 0}


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the spec says about sampling, which a request may repeat but not change."""

    max_tokens: int
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `max_tokens` is its own limit or the spec's. `names_model` says that it asked for some model."""

    custom_id: str
    messages: tuple[Message, ...]
    max_tokens: int
    names_model: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """What a file holds. `ignored_models`: requests that name a model; the job's model answers them all."""

    requests: int
    messages: int
    characters: int
    ignored_models: int


def check_requests(path: Path, allowed: Allowed, limits: array[int] | None = None) -> Counts:
    """Reads the whole file and counts; appends every request's max_tokens to `limits`.

    Raises SpecError naming the first bad line, NotFound without a file.
    """
    requests = messages = characters = named = 0
    for request in read_requests(path, allowed):
        requests += 1
        if limits is not None:
            limits.append(request.max_tokens)
        messages += len(request.messages)
        characters += sum(len(message.content) for message in request.messages)
        named += request.names_model
    return Counts(requests, messages, characters, named)


def read_requests(path: Path, allowed: Allowed) -> Iterator[Request]:
    """Yields the requests in file order; of those before it keeps 16 bytes each, to refuse an id that comes twice."""
    for _, request, fault in _looked_at(path, allowed):
        if request is None:
            assert fault is not None
            raise fault
        yield request


def sorted_lines(path: Path, allowed: Allowed) -> Iterator[tuple[bytes, str]]:
    """Every line with what is wrong with it, empty for a request. A line that is too long comes in pieces, all of them
    wrong. Raises NotFound without a file, SpecError for an empty one."""
    for line, _, fault in _looked_at(path, allowed):
        yield line, str(fault or "")


def _looked_at(path: Path, allowed: Allowed) -> Iterator[tuple[bytes, Request | None, SpecError | None]]:
    """(line, request, None) or (line, None, what is wrong)."""
    seen: set[bytes] = set()
    for number, _, line in lines_of(path):
        try:
            request = _request(object_of(line, first=number == 1), allowed)
            _require_new(request.custom_id, seen)
        except BadLine as bad:
            yield line, None, bad.at(path, number)
        else:
            yield line, request, None


def _request(entry: dict, allowed: Allowed) -> Request:
    custom_id = entry.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= MAX_ID_CHARACTERS or not custom_id.isprintable():
        raise BadLine(f"custom_id: expected 1 to {MAX_ID_CHARACTERS} printable characters")
    body = _body(entry)
    for key in body.keys() - {"messages", "model", *_LIMITS}:
        _require_pinned(key, body[key], allowed)
    if "model" in body and not isinstance(body["model"], str):
        raise BadLine("model: expected text")
    return Request(custom_id, _messages(body.get("messages")), _limit(body, allowed), "model" in body)


def _body(entry: dict) -> dict:
    """The body of OpenAI's shape, or everything but the id of the short one."""
    if "body" not in entry:
        return {key: value for key, value in entry.items() if key != "custom_id"}
    if unknown := entry.keys() - _ENVELOPE:
        raise BadLine(f"unknown key {min(unknown)[:40]!r}; beside body only custom_id, method, url are known")
    if entry.get("method", "POST") != "POST" or entry.get("url", "/v1/chat/completions") != "/v1/chat/completions":
        raise BadLine("expected method POST and url /v1/chat/completions")
    if not isinstance(entry["body"], dict):
        raise BadLine(f"body: expected an object, found {type(entry['body']).__name__}")
    return entry["body"]


def _require_pinned(key: str, value: object, allowed: Allowed) -> None:
    pinned = _NEUTRAL | {"temperature": allowed.temperature, "seed": allowed.seed}
    if key not in pinned:
        raise BadLine(
            f"unknown key {key[:40]!r}; known are messages, max_tokens, model and what the spec's sampling says"
        )
    if isinstance(value, bool) is not isinstance(pinned[key], bool) or value != pinned[key]:
        raise BadLine(f"{key}: found {str(value)[:20]}, expected {pinned[key]}: the whole job samples as its spec says")


def _limit(body: dict, allowed: Allowed) -> int:
    found = [body[name] for name in _LIMITS if name in body]
    if len(found) > 1:
        raise BadLine("max_tokens and max_completion_tokens: expected one of them")
    limit = found[0] if found else allowed.max_tokens
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= allowed.max_tokens:
        raise BadLine(
            f"max_tokens: found {str(limit)[:20]}, expected 1 to {allowed.max_tokens} (the spec's max_tokens)"
        )
    return limit


def _messages(turns: object) -> tuple[Message, ...]:
    if not isinstance(turns, list) or not turns:
        raise BadLine("no list 'messages'")
    messages = tuple(_message(turn, place) for place, turn in enumerate(turns, 1))
    if not _ORDER.fullmatch("".join(_LETTER[message.role] for message in messages)):
        roles = ", ".join(message.role for message in messages[:6]) + (", …" if len(messages) > 6 else "")
        raise BadLine(f"wrong order of roles: {roles}; expected (system,) user, assistant, … and a user at the end")
    return messages


def _message(turn: object, place: int) -> Message:
    if not isinstance(turn, dict):
        raise BadLine(f"message {place} is not an object")
    if unknown := turn.keys() - {"role", "content"}:
        raise BadLine(f"message {place} has an unknown key {min(unknown)[:40]!r}; only role and content are known")
    role, content = turn.get("role"), turn.get("content")
    if not isinstance(role, str) or role not in _LETTER:
        raise BadLine(f"message {place} has role {str(role)[:40]!r}, expected system, user or assistant")
    if not isinstance(content, str) or not content.strip():
        raise BadLine(f"message {place} ({role}) has no text as its content")
    # JSON can escape half of a surrogate pair, which no tokenizer can encode.
    if not content.isascii() and re.search("[\ud800-\udfff]", content):
        raise BadLine(f"message {place} has half of a surrogate pair")
    return Message(role, content, False)


def _require_new(custom_id: str, seen: set[bytes]) -> None:
    digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
    if digest in seen:
        raise BadLine(f"custom_id {custom_id[:40]!r} stands on another line too")
    seen.add(digest)
