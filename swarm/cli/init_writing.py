# SPDX-License-Identifier: Apache-2.0
"""What the `swarm init` commands share: a file that is read back before it stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.errors import NotFound, UsageError

if TYPE_CHECKING:
    from swarm.cli.common import Context


def refuse_existing(output: Path) -> None:
    """Raises UsageError: a person's file is never overwritten."""
    if output.exists():
        raise UsageError(f"{output} exists already", hint="choose another file with -o")


def write_checked(context: Context, output: Path, text: str, check: Callable[[Path], object], *, then: str) -> None:
    """Writes a spec, reads it back, and says what to do next. Raises what `check` raises; the file is gone then."""
    output.write_text(text, "utf-8")
    try:
        check(output)
    except Exception:
        output.unlink()
        raise
    if context.screen.mode == "human":
        click.echo(f"Wrote {output} ({len(text.splitlines())} lines). Next: {then}")
    else:
        context.screen.facts({"spec": str(output)}, essence="spec")


def relative(where: str, output: Path) -> str:
    """A path or URI as a spec in `output`'s folder names it. Raises NotFound for a path that is not there."""
    if where.startswith(("hf://", "ipfs://")):
        return where
    path = Path(where.removeprefix("file:"))
    if not path.exists():
        raise NotFound(f"{path} does not exist")
    return "file:" + os.path.relpath(path.absolute(), output.absolute().parent)
