# SPDX-License-Identifier: Apache-2.0
"""Which file names may enter and leave the store: those that mean one plain entry of one directory everywhere."""

from __future__ import annotations

from swarm.errors import SwarmError

MAX_NAME_BYTES = 255


def check_name(name: bytes, error: type[SwarmError], *, max_bytes: int = MAX_NAME_BYTES) -> bytes:
    """Returns `name`, or raises `error` when it could lead elsewhere or confuse whoever reads it."""
    shown = ascii(name.decode("utf-8", "backslashreplace")[:80])
    if not name or name in (b".", b".."):
        raise error(f"{shown} is not a file name")
    if len(name) > min(max_bytes, MAX_NAME_BYTES):
        raise error(f"the file name {shown} is longer than {min(max_bytes, MAX_NAME_BYTES)} bytes")
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise error(f"the file name {shown} is not UTF-8") from cause
    if "/" in text or "\\" in text or any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text):
        raise error(f"the file name {shown} contains a separator or a control character")
    return name
