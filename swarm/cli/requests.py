# SPDX-License-Identifier: Apache-2.0
"""Looking through a file of requests, as `swarm infer`, `swarm init infer` and `swarm job post` do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from swarm.cli.common import Context
    from swarm.workloads.inference.requests import Allowed

MAX_SHOWN = 10

skip_option = click.option("--skip-invalid", is_flag=True, help="Use a copy without the lines that are wrong.")


def usable(context: Context, path: Path, allowed: Allowed, *, skip_invalid: bool) -> Path:
    """The file to use: this one, or with `skip_invalid` a copy beside it without the lines that are wrong.

    Raises SpecError naming the first bad line, or saying that none is left, NotFound without a file.
    """
    from swarm.errors import SpecError
    from swarm.workloads.inference.requests import check_requests, sorted_lines

    if not skip_invalid:
        counts = check_requests(path, allowed)
        context.screen.note(f"✓ {path.name}   {counts.requests:,} requests · {counts.characters:,} characters")
        return path
    clean = path.with_name(f"{path.stem}.clean{path.suffix}")
    kept = wrong = 0
    with clean.open("wb") as file:
        for line, fault in sorted_lines(path, allowed):
            if not fault:
                kept += 1
                file.write(line if line.endswith(b"\n") else line + b"\n")
                continue
            wrong += 1
            if wrong <= MAX_SHOWN:
                context.screen.note(f"✗ {fault}")
    if wrong > MAX_SHOWN:
        context.screen.note(f"✗ and {wrong - MAX_SHOWN:,} more such lines")
    if not kept:
        clean.unlink()
        raise SpecError(f"{path.name}: no line is a request")
    context.screen.note(f"wrote {clean} with {kept:,} requests, without {wrong:,} lines")
    return clean
