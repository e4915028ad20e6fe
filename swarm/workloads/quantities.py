# SPDX-License-Identifier: Apache-2.0
"""Times as people write them: `90m`, `1h30m`, `2d`, or a number of seconds."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (86_400, 3600, 60, 1)


def seconds_of(value: object) -> object:
    """`1h30m` → 5400; a plain number is seconds already. Raises ValueError, saying what was expected."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a time such as 90m, 2h or 1h30m")
    text = str(value).strip()
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    match = _PARTS.fullmatch(text)
    if not text or not match or len(text) > 20:
        raise ValueError("a time such as 90m, 2h or 1h30m")
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _SECONDS, strict=True))


_SCHEMA = WithJsonSchema({"type": ["integer", "string"], "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s?)?$"})
Duration = Annotated[int, BeforeValidator(seconds_of), Field(ge=1, le=2_592_000), _SCHEMA]
