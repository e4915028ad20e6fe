# SPDX-License-Identifier: Apache-2.0
"""JSON from anybody, its depth bounded before it is parsed.

The standard parser recurses in C: where a library has raised the recursion limit (py_ecc does), a hundred thousand
brackets end the process instead of raising.
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 64
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def parse(data: bytes | str, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value. Raises ValueError for what is not UTF-8, not JSON, or nested deeper than `max_depth`."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    refuse_depth(text, max_depth=max_depth)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("too many brackets") from error


def refuse_depth(text: str, *, max_depth: int = MAX_DEPTH) -> None:
    """Raises ValueError when brackets outside double quotes nest deeper than `max_depth`."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = match[0]
        if token in "[{":
            depth += 1
            if depth > max_depth:
                raise ValueError(f"nested deeper than {max_depth}")
        elif token in "]}":
            depth -= 1
