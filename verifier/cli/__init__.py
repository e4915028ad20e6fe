# SPDX-License-Identifier: Apache-2.0
"""`verifier`: the judge's commands. slots (register, unregister, collect), judging (run, selftest),
cases (queue, show)."""

from __future__ import annotations

import click

from swarm import __version__
from swarm.cli.main import run as run_group
from verifier.cli import cases, judging, slots


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verifier")
def command() -> None:
    """Judge other people's work: re-execute a drawn segment, confirm or deny, earn the fee.

    \b
    Examples:
      verifier register        lock the bond and take a slot
      verifier selftest        does this machine get the bytes that every judge gets?
      verifier run             judge until ^C
      verifier queue           what this account owes, the next deadline first
      verifier collect         have the earned fees paid
      verifier show 7          who judges job 7 and what they found
    """


for verb in (*slots.VERBS, *judging.VERBS, *cases.VERBS):
    command.add_command(verb)


def main() -> None:
    run_group(command)
