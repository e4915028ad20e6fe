# SPDX-License-Identifier: Apache-2.0
"""`swarm worker install`: systemd units, without a question; a second time changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context

_AFTER_SYSTEM = (
    "useradd --system --home-dir /var/lib/swarm --groups docker swarm",
    "put config.toml, network.json and passphrase (mode 600) into /etc/swarm, the key into /var/lib/swarm/keystore",
    "systemctl daemon-reload && systemctl enable --now {names}",
)
_AFTER_USER = (
    "put config.toml, network.json and passphrase (mode 600) into ~/.config/swarm",
    "systemctl --user daemon-reload && systemctl --user enable --now {names}",
    "loginctl enable-linger $USER",
)


@click.command(epilog=example("sudo swarm worker install --system\nswarm worker install --judge --print"))
@click.option("--system/--user", default=None, help="For the machine, or for this user; default: by who calls it.")
@click.option("--judge", is_flag=True, help="Also the unit of `verifier run`.")
@click.option("--print", "prints", is_flag=True, help="Print the units and write nothing.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), hidden=True)
@with_context
def install(context: Context, system: bool | None, judge: bool, prints: bool, root: Path) -> None:
    """Write hardened systemd units for the worker, and say what is left to do; asks nothing."""
    import os

    from swarm.cli.units import unit
    from swarm.errors import UsageError

    is_system = os.geteuid() == 0 if system is None else system
    roles = ("worker", "verifier") if judge else ("worker",)
    units = [unit(role, user=not is_system, root=root) for role in roles]
    if prints:
        for each in units:
            click.echo(f"# {each.path}\n{each.text}")
        return
    rows = []
    for each in units:
        try:
            rows.append({"unit": str(each.path), "state": each.write()})
        except FileExistsError as error:
            raise UsageError(f"{each.path} was not written by this command", hint="move it away") from error
        except PermissionError as error:
            raise UsageError(f"{each.path} may not be written", hint="sudo, or --user") from error
    context.screen.table(rows, essence="unit", empty="no unit")
    names = " ".join(each.path.name for each in units)
    for line in _AFTER_SYSTEM if is_system else _AFTER_USER:
        context.screen.note(f"next: {line.format(names=names)}")


VERBS = (install,)
