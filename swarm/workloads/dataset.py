# SPDX-License-Identifier: Apache-2.0
"""Reads chat data: JSON Lines in OpenAI's `messages` shape, checked while it streams, one example per line.

    {"messages": [{"role": "system", "content": "…"}, {"role": "user", "content": "…"},
                  {"role": "assistant", "content": "…", "weight": 1}]}

An optional system message, then user and assistant in turn, ending with the assistant. `weight: 0` on an assistant
message keeps it as context and out of the loss. The job program reads through the same code as the buyer's check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swarm import hostile_json
from swarm.errors import NotFound, SpecError

MAX_LINE_BYTES = 1 << 20
_ORDER = re.compile(r"s?(ua)+")
_LETTER = {"system": "s", "user": "u", "assistant": "a"}


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; `trained` says whether its tokens enter the loss."""

    role: str
    content: str
    trained: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """What a data set holds: examples, messages, assistant messages in the loss, characters of content."""

    examples: int
    messages: int
    trained: int
    characters: int


def check_dataset(path: Path, *, field: str = "messages") -> Counts:
    """Reads the whole file and counts. Raises SpecError naming the first bad line, NotFound without a file."""
    examples = messages = trained = characters = 0
    for conversation in read_dataset(path, field=field):
        examples += 1
        messages += len(conversation)
        for message in conversation:
            trained += message.trained
            characters += len(message.content)
    return Counts(examples, messages, trained, characters)


def read_dataset(path: Path, *, field: str = "messages") -> Iterator[tuple[Message, ...]]:
    """Yields the conversations in file order, one line in memory at a time."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"{path.name}: no such data file") from error
    with file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            try:
                yield _conversation(line, field, first=number == 1)
            except _Bad as bad:
                raise SpecError(f"{path.name} line {number}: {bad}") from bad
    if number == 0:
        raise SpecError(f"{path.name}: the file is empty, expected one example per line")


class _Bad(Exception):
    """What is wrong with one line."""


def _conversation(line: bytes, field: str, *, first: bool) -> tuple[Message, ...]:
    example = _parse(line, first=first)
    turns = example.get(field)
    if not isinstance(turns, list) or not turns:
        raise _Bad(f"no list {field!r}, found the keys {sorted(map(str, example))[:5]}")
    messages = tuple(_message(turn, place) for place, turn in enumerate(turns, 1))
    if not _ORDER.fullmatch("".join(_LETTER[message.role] for message in messages)):
        roles = ", ".join(message.role for message in messages[:6]) + (", …" if len(messages) > 6 else "")
        raise _Bad(f"wrong order of roles: {roles}; expected (system,) user, assistant, user, assistant …")
    if not any(message.trained for message in messages):
        raise _Bad("every assistant message has weight 0, so there is nothing to learn")
    return messages


def _parse(line: bytes, *, first: bool) -> dict:
    if len(line) > MAX_LINE_BYTES:
        raise _Bad(f"longer than {MAX_LINE_BYTES} bytes")
    if first and line.startswith(b"\xef\xbb\xbf"):
        raise _Bad("starts with a byte order mark; save the file as UTF-8 without BOM")
    if not line.strip():
        raise _Bad("empty line")
    try:
        example = hostile_json.parse(line)
    except UnicodeDecodeError as error:
        raise _Bad(f"not UTF-8 at byte {error.start + 1}") from error
    except json.JSONDecodeError as error:
        raise _Bad(f"not JSON: {error.msg} at column {error.colno}") from error
    except ValueError as error:
        raise _Bad("not JSON: a number too long or too many brackets") from error
    if not isinstance(example, dict):
        raise _Bad(f"expected an object, found {type(example).__name__}")
    return example


def _message(turn: object, place: int) -> Message:
    if not isinstance(turn, dict):
        raise _Bad(f"message {place} is not an object")
    if unknown := turn.keys() - {"role", "content", "weight"}:
        raise _Bad(f"message {place} has an unknown key {min(unknown)[:40]!r}; only role, content, weight are known")
    role, content = turn.get("role"), turn.get("content")
    if not isinstance(role, str) or role not in _LETTER:
        raise _Bad(f"message {place} has role {str(role)[:40]!r}, expected system, user or assistant")
    if not isinstance(content, str) or not content.strip():
        raise _Bad(f"message {place} ({role}) has no content")
    return Message(role, _well_formed(content, place), _is_trained(turn, role, place))


def _well_formed(content: str, place: int) -> str:
    # JSON can escape half of a surrogate pair, which no tokenizer can encode.
    if not content.isascii() and re.search("[\ud800-\udfff]", content):
        raise _Bad(f"message {place} has half of a surrogate pair")
    return content


def _is_trained(turn: dict, role: str, place: int) -> bool:
    if "weight" not in turn:
        return role == "assistant"
    weight = turn["weight"]
    if role != "assistant":
        raise _Bad(f"message {place} has a weight; only assistant messages can have one")
    if isinstance(weight, bool) or weight not in (0, 1):
        raise _Bad(f"message {place} has weight {str(weight)[:20]}, expected 0 or 1")
    return weight == 1
