# SPDX-License-Identifier: Apache-2.0
"""`swarm`: a group that imports a noun's module only when it is used, so that `--help` answers at once."""

from __future__ import annotations

import importlib
import sys

import click

from swarm import __version__

# noun → (module, what it is for)
NOUNS = {
    "adapter": ("swarm.cli.adapter", "Fetch what was bought: pull."),
    "benchmark": ("swarm.cli.benchmark", "How fast this machine trains, within a given time."),
    "config": ("swarm.cli.config", "Show the settings and where they come from."),
    "devnet": ("swarm.cli.devnet", "A chain of your own: up."),
    "init": ("swarm.cli.init", "Write a spec to start from: lora, sweep, infer, container."),
    "infer": ("swarm.cli.infer", "Have a file of requests answered."),
    "doctor": ("swarm.cli.doctor", "Check this machine: sandbox, chain, store, account."),
    "job": ("swarm.cli.job", "Buy and watch work: post, list, show, watch, pull, cancel, refund, settle."),
    "lora": ("swarm.cli.lora", "Fine-tune a model without writing a spec."),
    "node": ("swarm.cli.node", "Hold results for machines that nobody can reach: serve."),
    "run-image": ("swarm.cli.run_image", "Run any container by digest without writing a spec."),
    "stake": ("swarm.cli.stake", "Money that vouches for you: deposit, show, unbond, withdraw."),
    "sweep": ("swarm.cli.sweep", "Search hyperparameters: run, resume, top, show, best, export, report."),
    "verify": ("swarm.cli.verify", "Re-execute a segment of any job and see both sides."),
    "wallet": ("swarm.cli.wallet", "Accounts: create, fund, show."),
    "workload": ("swarm.cli.workload", "Job types and how closely they can be checked: list, schema, certify."),
    "worker": ("swarm.cli.worker", "Sell this machine's time: start, pause, drain, why."),
}


class LazyGroup(click.Group):
    """Commands by name → module; each module has a `command`."""

    def __init__(self, *arguments, nouns: dict[str, tuple[str, str]] | None = None, **options) -> None:
        super().__init__(*arguments, **options)
        self._nouns = nouns or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self._nouns)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._nouns:
            return None
        return importlib.import_module(self._nouns[name][0]).command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in sorted(self._nouns.items())])


@click.group(cls=LazyGroup, nouns=NOUNS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="swarm")
def command() -> None:
    """Buy and sell fine-tuning on idle GPUs: payment, audits and slashing on chain, no server in the middle.

    \b
    Examples:
      swarm devnet up                            a chain of your own, in a terminal of its own
      swarm lora -m ./model -d chats.jsonl --max-spend 10
      swarm worker start                         earn with this machine
      verifier run                               judge with this machine
    """


def main() -> None:
    """Runs the command; a refusal is one line on stderr and its own exit code."""
    run(command)


def run(group: click.Group) -> None:
    from swarm.errors import SwarmError

    try:
        sys.exit(group.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except SwarmError as error:
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
