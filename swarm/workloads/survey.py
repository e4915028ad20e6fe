# SPDX-License-Identifier: Apache-2.0
"""Looks through a whole data set for a person: what it holds, what is odd, what is wrong, and a cleaned copy of it.

Memory does not grow with the file: findings are told as they come, and duplicates are looked for among the first
million different lines.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swarm.errors import SpecError
from swarm.workloads.dataset import Counts
from swarm.workloads.example import Format, Message, parse_example
from swarm.workloads.jsonl import BadLine, lines_of

MAX_REMEMBERED = 1_000_000
_CONTROL = re.compile(r"<\|[A-Za-z0-9_]{1,32}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about one line. A `fault` is refused by every job; anything else is for the person to know."""

    line: int
    column: int
    text: str
    then: str
    is_fault: bool

    def __str__(self) -> str:
        column = f" column {self.column}" if self.column else ""
        return f"line {self.line}{column}: {self.text}" + (f" → {self.then}" if self.then else "")


@dataclass(slots=True)
class Survey:
    """What was seen. `longest` is in characters of content: which tokens they make is the model's matter."""

    examples: int = 0
    messages: int = 0
    trained: int = 0
    characters: int = 0
    longest: int = 0
    longest_line: int = 0
    invalid: int = 0
    duplicates: int = 0
    with_control_tokens: int = 0
    without_answer: int = 0
    remembered_all: bool = True
    first_fault: Finding | None = None
    _seen: set[bytes] = field(default_factory=set, repr=False)

    @property
    def counts(self) -> Counts:
        return Counts(self.examples, self.messages, self.trained, self.characters)

    def facts(self) -> dict[str, int]:
        """What a command prints of it."""
        left_out = {name: value for name in ("invalid", "duplicates") if (value := getattr(self, name))}
        return asdict(self.counts) | {"longest_characters": self.longest} | left_out


Tell = Callable[[Finding], None]


def survey_dataset(
    path: Path, format_: Format, *, tell: Tell | None = None, clean: Path | None = None, dedupe: bool = False
) -> Survey:
    """Reads every line. With `clean`, writes a copy without the bad lines (and, with `dedupe`, without repeated ones).

    Raises NotFound without a file, SpecError for one without a single good line.
    """
    survey = Survey()
    partial = clean.with_name(clean.name + ".partial") if clean else None
    copy = partial.open("wb") if partial else None
    try:
        for number, _, line in lines_of(path):
            if _look(survey, number, line, format_, tell or _ignore, dedupe) and copy:
                copy.write(line if line.endswith(b"\n") else line + b"\n")
    finally:
        if copy:
            copy.close()
    if not survey.examples:
        if partial:
            partial.unlink()
        raise SpecError(f"{path.name}: no line of it is an example; {survey.first_fault}")
    if partial and clean:
        os.replace(partial, clean)
    return survey


def _look(survey: Survey, number: int, line: bytes, format_: Format, tell: Tell, dedupe: bool) -> bool:
    """Counts one line; whether it belongs into a cleaned copy."""
    try:
        messages = parse_example(line, format_, first=number == 1)
    except BadLine as bad:
        survey.invalid += 1
        fault = Finding(number, bad.column, str(bad), bad.fix or "", True)
        survey.first_fault = survey.first_fault or fault
        tell(fault)
        return False
    if _is_repeated(survey, line):
        survey.duplicates += 1
        if dedupe:
            return False
    _note(survey, number, messages, tell)
    _count(survey, number, messages)
    return True


def _count(survey: Survey, number: int, messages: tuple[Message, ...]) -> None:
    characters = sum(len(message.content) for message in messages)
    survey.examples += 1
    survey.messages += len(messages)
    survey.trained += sum(message.trained for message in messages)
    survey.characters += characters
    if characters > survey.longest:
        survey.longest, survey.longest_line = characters, number


def _note(survey: Survey, number: int, messages: tuple[Message, ...], tell: Tell) -> None:
    for place, message in enumerate(messages, 1):
        if message.role == "assistant" and not message.content.strip():
            survey.without_answer += 1
            tell(Finding(number, 0, f"message {place} (assistant) is empty", "kept, out of the loss", False))
        if ("<" in message.content or "[" in message.content) and (found := _CONTROL.search(message.content)):
            survey.with_control_tokens += 1
            tell(Finding(number, 0, f"message {place} holds {found[0]!r}", "stays plain text", False))
            return


def _is_repeated(survey: Survey, line: bytes) -> bool:
    digest = hashlib.blake2b(line.strip(), digest_size=16).digest()
    if digest in survey._seen:
        return True
    if len(survey._seen) < MAX_REMEMBERED:
        survey._seen.add(digest)
    else:
        survey.remembered_all = False
    return False


def _ignore(finding: Finding) -> None:
    """Nobody listens."""
