# SPDX-License-Identifier: Apache-2.0
"""Amounts and durations as people write them. TOK has 18 decimals; every amount in the code is in the smallest unit."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from swarm.errors import UsageError
from swarm.protocol.types import Amount

DECIMALS = 18
_DURATION = re.compile(r"(\d{1,9})|(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
_SECONDS = (1, 86_400, 3_600, 60, 1)  # of a bare number, and of each unit


def parse_amount(text: str | int | float) -> Amount:
    """`"0.35"` → 350000000000000000. Raises UsageError for anything but a positive number of at most 18 decimals."""
    try:
        scaled = Decimal(str(text)).scaleb(DECIMALS)
        if not scaled.is_finite() or scaled != scaled.to_integral_value() or scaled <= 0 or scaled >= 2**96:
            raise InvalidOperation
    except InvalidOperation as error:
        raise UsageError(f"{text!r} is not an amount of tokens", hint="write it like 0.35") from error
    return Amount(int(scaled))


def format_amount(amount: int, *, places: int = 6) -> str:
    """350000000000000000 → `"0.35"`, rounded to `places` decimals for reading."""
    value = (Decimal(amount) / Decimal(10**DECIMALS)).quantize(Decimal(1).scaleb(-places))
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_gwei(text: str) -> int:
    """`"500"` → 500 · 10⁹ wei for a unit of gas. Raises UsageError for anything but a positive number."""
    try:
        wei = int(Decimal(text).scaleb(9))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise UsageError(f"max_fee_gwei: {text!r} is not a price of gas", hint="write it like 500") from error
    if wei <= 0:
        raise UsageError(f"max_fee_gwei: found {text}, expected more than 0", hint="write it like 500")
    return wei


def parse_duration(text: str) -> int:
    """`"90"`, `"90s"`, `"1h30m"`, `"2d"` → seconds. Raises UsageError for anything but a positive duration."""
    found = _DURATION.fullmatch(text.strip())
    numbers = [int(number or 0) for number in found.groups()] if found else []
    seconds = sum(number * size for number, size in zip(numbers, _SECONDS, strict=False))
    if not seconds:
        raise UsageError(f"{text[:80]!r} is not a duration", hint="write it like 90s, 15m, 1h30m or 2d")
    return seconds


def format_duration(seconds: float) -> str:
    """45 → `"45 s"`, 190 → `"3 m"`, 7300 → `"2 h"`, 200000 → `"2 d"`: rounded down, for reading."""
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)} {name}"
    return f"{max(0, int(seconds))} s"
