# SPDX-License-Identifier: Apache-2.0
"""`swarm config`: the settings and where each comes from."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, with_context
from swarm.config import KEYS


@click.group()
def command() -> None:
    """Show the settings and where they come from."""


@command.command(epilog=example("swarm config show --origin"))
@click.option("--origin", is_flag=True, help="Also say where each value comes from.")
@with_context
def show(context: Context, origin: bool) -> None:
    """Show every setting: flag > environment > ./swarm.toml > user config > default."""
    rows = []
    for key in KEYS:
        setting = context.config.setting(key)
        row = {"setting": key, "value": setting.value or ""}
        rows.append(row | {"origin": setting.origin} if origin else row)
    context.screen.table(rows, essence="value", empty="no settings")
