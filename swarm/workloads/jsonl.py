# SPDX-License-Identifier: Apache-2.0
"""Strangers' JSON Lines: a line in memory at a time, each an object, or what is wrong with it, where, and the cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from swarm import hostile_json
from swarm.errors import NotFound, SpecError

MAX_LINE_BYTES = 1 << 20


class BadLine(Exception):
    """What is wrong with a line, at which column (from 1; 0 for the line as a whole), and what to do about it."""

    def __init__(self, reason: str, fix: str | None = None, column: int = 0) -> None:
        super().__init__(reason)
        self.fix = fix
        self.column = column

    def at(self, path: Path, number: int) -> SpecError:
        """The same, said of a file."""
        column = f" column {self.column}" if self.column else ""
        return SpecError(f"{path.name} line {number}{column}: {self}", hint=self.fix)


def lines_of(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, offset in bytes, line); a line that is too long comes in pieces, which nothing accepts.

    Raises NotFound without a file, SpecError for an empty one.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"{path.name}: no such file") from error
    with file:
        number = offset = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            yield number, offset, line
            offset += len(line)
    if number == 0:
        raise SpecError(f"{path.name}: the file is empty, expected one JSON object a line")


def object_of(line: bytes, *, first: bool) -> dict:
    """The object that a line holds; `first` says whether it is the file's first. Raises BadLine."""
    if len(line) > MAX_LINE_BYTES:
        raise BadLine(f"longer than {MAX_LINE_BYTES} bytes", "split it")
    if first and line.startswith(b"\xef\xbb\xbf"):
        raise BadLine("starts with a byte order mark", "save the file as UTF-8 without BOM", 1)
    if not line.strip():
        raise BadLine("empty line", "remove it")
    try:
        entry = hostile_json.parse(line.rstrip())
    except UnicodeDecodeError as error:
        raise BadLine(f"not UTF-8 at byte {error.start + 1}", "save the file as UTF-8", error.start + 1) from error
    except json.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error.msg}", _json_fix(error, first=first), error.colno) from error
    except ValueError as error:
        raise BadLine("not JSON: a number too long or too many brackets") from error
    if not isinstance(entry, dict):
        fix = "write one object a line, not one array" if isinstance(entry, list) else None
        raise BadLine(f"expected an object, found {type(entry).__name__}", fix, 1)
    return entry


def _json_fix(error: json.JSONDecodeError, *, first: bool) -> str:
    at, before = error.doc[error.pos : error.pos + 5], error.doc[: error.pos].rstrip()
    if at.startswith("'"):
        return "write double quotes: a Python dict is no JSON, json.dumps makes it"
    if at.startswith(("True", "False", "None")):
        return "write true, false or null: a Python dict is no JSON, json.dumps makes it"
    if at[:1] in ("}", "]") and before.endswith(","):
        return "remove the comma before the bracket"
    if first and error.doc.strip() in ("[", "{"):
        return "write one object a line, not one array over many lines"
    return "write one whole JSON object a line"
