# SPDX-License-Identifier: Apache-2.0
"""What `swarm init lora` and `swarm lora` share: looking through data, showing what was found, cleaning it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from swarm.cli.common import Context
    from swarm.workloads.dataset import Format
    from swarm.workloads.survey import Finding, Survey

MAX_SHOWN = 10
_CHAT_KEYS = ("messages", "conversations", "conversation")


def data_options(function: Callable) -> Callable:
    """`--skip-invalid` and `--dedupe`."""
    for option in (
        click.option("--dedupe", is_flag=True, help="Use a copy without repeated lines."),
        click.option("--skip-invalid", is_flag=True, help="Use a copy without the lines that are wrong."),
    ):
        function = option(function)
    return function


def guess_format(path: Path) -> Format:
    """How a file's first line says it is to be read; chats where it says nothing."""
    from swarm import hostile_json
    from swarm.workloads.dataset import Format
    from swarm.workloads.jsonl import MAX_LINE_BYTES

    try:
        with path.open("rb") as file:
            row = hostile_json.parse(file.readline(MAX_LINE_BYTES).removeprefix(b"\xef\xbb\xbf"))
    except (OSError, ValueError):
        return Format()
    keys = set(row) if isinstance(row, dict) else set()
    for key in _CHAT_KEYS:
        if key in keys:
            turns = row[key]
            is_sharegpt = isinstance(turns, list) and turns and isinstance(turns[0], dict) and "from" in turns[0]
            return Format(field_messages=key, **({"role_key": "from", "content_key": "value"} if is_sharegpt else {}))
    for kind, wanted in (("alpaca", "instruction"), ("prompt_completion", "completion"), ("completion", "text")):
        if wanted in keys:
            return Format(kind)
    return Format()


def dataset_keys(format_: Format) -> dict:
    """The keys of a data set in a spec, without those at their default."""
    keys: dict = {"type": format_.type}
    if format_.field_messages != "messages":
        keys["field_messages"] = format_.field_messages
    if format_.role_key != "role":
        keys["message_property_mappings"] = {"role": format_.role_key, "content": format_.content_key}
    return keys


def look_through(
    context: Context, path: Path, format_: Format, *, skip_invalid: bool, dedupe: bool
) -> tuple[Path, Survey]:
    """Shows what is odd and wrong; returns the file to use and what it holds.

    Raises SpecError where lines are wrong and may not be left out, NotFound without a file.
    """
    from swarm.errors import SpecError
    from swarm.workloads.survey import survey_dataset

    clean = path.with_name(f"{path.stem}.clean{path.suffix}") if skip_invalid or dedupe else None
    shown = _Shown(context)
    survey = survey_dataset(path, format_, tell=shown.tell, clean=clean, dedupe=dedupe)
    shown.more()
    if survey.invalid and not skip_invalid:
        if clean:
            clean.unlink()
        lines = "line is" if survey.invalid == 1 else "lines are"
        hint = "fix them, or leave them out with --skip-invalid"
        raise SpecError(f"{path.name}: {survey.invalid} {lines} wrong; {survey.first_fault}", hint=hint)
    _summary(context, path, survey, format_, dedupe=dedupe)
    if clean:
        left_out = survey.invalid + (survey.duplicates if dedupe else 0)
        context.screen.note(f"wrote {clean} without {left_out:,} lines")
    return clean or path, survey


def _summary(context: Context, path: Path, survey: Survey, format_: Format, *, dedupe: bool) -> None:
    note = context.screen.note
    note(
        f"✓ {path.name}   {survey.examples:,} examples · {format_.type} · {_short(survey.characters)} characters · "
        f"longest {survey.longest:,} (line {survey.longest_line})"
    )
    if survey.duplicates:
        least = "" if survey.remembered_all else "at least "
        then = "left out" if dedupe else "use --dedupe to drop"
        note(f"! {least}{survey.duplicates:,} exact duplicates → {then}")
    if survey.examples == 1:
        note("! one example only: the model will learn it by heart")


class _Shown:
    """The first findings of each kind, as they come; the others are counted."""

    def __init__(self, context: Context) -> None:
        self._note = context.screen.note
        self._counts = {True: 0, False: 0}

    def tell(self, finding: Finding) -> None:
        self._counts[finding.is_fault] += 1
        if self._counts[finding.is_fault] <= MAX_SHOWN:
            self._note(f"{'✗' if finding.is_fault else '!'} {finding}")

    def more(self) -> None:
        for is_fault, count in self._counts.items():
            if count > MAX_SHOWN:
                self._note(f"{'✗' if is_fault else '!'} and {count - MAX_SHOWN:,} more such lines")


def _short(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1_000_000 else f"{number:,}"


def scalar(text: str) -> str:
    """A text as YAML reads it back whatever it holds."""
    return json.dumps(text, ensure_ascii=False)
