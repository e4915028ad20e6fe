# SPDX-License-Identifier: Apache-2.0
"""Reads a data set: JSON Lines, one example a line (swarm.workloads.example), checked while it streams.

The job program reads through the same code as the buyer's check. Memory does not grow with the file: a pass holds one
line, and `Examples` eight bytes for each.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.workloads.example import Format, Message, parse_example
from swarm.workloads.jsonl import MAX_LINE_BYTES, BadLine, lines_of

__all__ = ["CHAT", "Counts", "Examples", "Format", "Message", "check_dataset", "read_dataset"]

CHAT = Format()
Keep = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a data set holds: examples, messages, assistant messages in the loss, characters of content."""

    examples: int
    messages: int
    trained: int
    characters: int


def check_dataset(path: Path, *, field: str | None = None, format_: Format = CHAT) -> Counts:
    """Reads the whole file and counts. Raises SpecError naming the first bad line, NotFound without a file."""
    examples = messages = trained = characters = 0
    for conversation in read_dataset(path, field=field, format_=format_):
        examples += 1
        messages += len(conversation)
        for message in conversation:
            trained += message.trained
            characters += len(message.content)
    return Counts(examples, messages, trained, characters)


def read_dataset(path: Path, *, field: str | None = None, format_: Format = CHAT) -> Iterator[tuple[Message, ...]]:
    """Yields the examples in file order, one line in memory at a time. `field` is a chat's key of messages."""
    format_ = Format(field_messages=field) if field else format_
    for number, _, line in lines_of(path):
        yield _checked(path, number, line, format_)


class Examples(Sequence[tuple[Message, ...]]):
    """The examples of a file that `keep` wants (by index from 0), read again each time they are asked for.

    Raises SpecError naming the first bad line, whether it is kept or not: everybody refuses the same files.
    """

    def __init__(self, path: Path, *, format_: Format = CHAT, keep: Keep | None = None) -> None:
        self._path, self._format = path, format_
        self._offsets = array("Q")
        for number, offset, line in lines_of(path):
            _checked(path, number, line, format_)
            if keep is None or keep(number - 1):
                self._offsets.append(offset)
        self._file = path.open("rb")

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> tuple[Message, ...]:
        self._file.seek(self._offsets[index])
        line = self._file.readline(MAX_LINE_BYTES + 1)
        return _checked(self._path, 0, line, self._format)


def _checked(path: Path, number: int, line: bytes, format_: Format) -> tuple[Message, ...]:
    try:
        return parse_example(line, format_, first=number == 1)
    except BadLine as bad:
        raise bad.at(path, number) from bad
