# SPDX-License-Identifier: Apache-2.0
"""What the audience sees: headings, facts, and a live line for everything that takes longer than two seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table

_QUIET_PERIOD_SECONDS = 15.0


class Live:
    """A line that changes while something runs; without a terminal it is printed every fifteen seconds."""

    def __init__(self, console: Console, title: str, status) -> None:
        self._console, self._title, self._status = console, title, status
        self._start = self._last = time.monotonic()

    def update(self, detail: str) -> None:
        elapsed = time.monotonic() - self._start
        if self._status is not None:
            self._status.update(f"{self._title}  [dim]{detail}  {elapsed:.0f} s[/dim]")
        elif time.monotonic() - self._last >= _QUIET_PERIOD_SECONDS:
            self._last = time.monotonic()
            self._console.print(f"    … {self._title}  {detail}  {elapsed:.0f} s", markup=False, highlight=False)


class Narrator:
    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._start = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._start

    def act(self, title: str) -> None:
        minutes, seconds = divmod(int(self.elapsed_seconds), 60)
        self.console.print(f"\n[bold cyan]{minutes:02d}:{seconds:02d}  {title}[/bold cyan]")

    def say(self, text: str) -> None:
        self.console.print(f"  {text}")

    def quote(self, text: str) -> None:
        """Words of the model: never read as markup."""
        self.console.print("    “" + " ".join(text.split()) + "”", markup=False, style="italic")

    @contextmanager
    def live(self, title: str) -> Iterator[Live]:
        if not self.console.is_terminal:
            yield Live(self.console, title, None)
            return
        with self.console.status(title) as status:
            yield Live(self.console, title, status)

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        table = Table(title=title, title_justify="left", title_style="bold")
        for at, column in enumerate(columns):
            table.add_column(column, justify="left" if at == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)
