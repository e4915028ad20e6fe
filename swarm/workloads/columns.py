# SPDX-License-Identifier: Apache-2.0
"""Where something stands in a line of JSON: for error messages only, so it may be slow and may not know (0)."""

from __future__ import annotations

import json

_DECODER = json.JSONDecoder()


def column_of_key(line: bytes, key: str) -> int:
    """The column (from 1, in characters) of the first `"key":`; 0 when it is not there as it is usually written."""
    text = line.decode("utf-8", "replace")
    start = 0
    while (at := text.find(json.dumps(key, ensure_ascii=False), start)) >= 0:
        start = at + len(key) + 2
        if text[start:].lstrip().startswith(":"):
            return at + 1
    return 0


def column_of_turn(line: bytes, field: str, place: int) -> int:
    """The column of the `place`-th element (from 1) of the list under `field`; that of the key when it is not found."""
    text = line.decode("utf-8", "replace")
    column = column_of_key(line, field)
    at = text.find("[", max(0, column - 1)) + 1
    if not column or not at:
        return column
    try:
        for _ in range(place - 1):
            at = text.index(",", _DECODER.raw_decode(text, _skip(text, at))[1]) + 1
    except (ValueError, RecursionError):
        return column
    return _skip(text, at) + 1


def _skip(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip())
