# SPDX-License-Identifier: Apache-2.0
"""Output: data on stdout for people, for programs (`--json`) or bare (`--quiet`); notes on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click


class Screen:
    """One command's output. In `quiet` mode only the values named by `essence` are written."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def note(self, text: str) -> None:
        """For people only, on stderr."""
        if self.mode == "human":
            click.echo(text, err=True)

    def facts(self, facts: Mapping[str, Any], *, essence: str | None = None) -> None:
        """One thing: a line per fact."""
        if self.mode == "json":
            click.echo(json.dumps(dict(facts)))
        elif self.mode == "quiet":
            click.echo(facts[essence] if essence else next(iter(facts.values())))
        else:
            width = max((len(name) for name in facts), default=0)
            for name, value in facts.items():
                click.echo(f"{name.replace('_', ' '):<{width}}  {'-' if value is None else value}")

    def table(self, rows: Sequence[Mapping[str, Any]], *, essence: str, empty: str) -> None:
        """Many things: a row each; `empty` says why there are none."""
        if self.mode == "json":
            click.echo(json.dumps([dict(row) for row in rows]))
        elif self.mode == "quiet":
            for row in rows:
                click.echo(row[essence])
        elif not rows:
            click.echo(empty)
        else:
            _print_table(rows)


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(rows[0])
    cells = [[name.replace("_", " ") for name in names]] + [[str(row[name]) for name in names] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(names))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def is_terminal() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty()
