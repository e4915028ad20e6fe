# SPDX-License-Identifier: Apache-2.0
"""`swarm wallet`: accounts in keystore files."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, with_context


@click.group()
def command() -> None:
    """Accounts: keystore v3 files, the ones Foundry and geth use."""


@command.command(epilog=example("swarm wallet create main"))
@click.argument("name", default="main")
@with_context
def create(context: Context, name: str) -> None:
    """Make a new account NAME (default: main); asks for a passphrase."""
    from swarm.chain.keystore import Keystore

    keystore = Keystore(context.config.keystore)
    path = keystore.path(name)
    address = keystore.create(name, context.passphrase(confirm=True))
    context.screen.facts({"address": address, "keystore": str(path)}, essence="address")
    context.screen.note("keep the file and the passphrase: nobody can restore them")


@command.command(epilog=example("swarm wallet fund 1000"))
@click.argument("amount", default="1000")
@with_context
def fund(context: Context, amount: str) -> None:
    """Get AMOUNT faucet tokens and some gas (devnet); elsewhere print the address to send them to."""
    from swarm.chain.devnet import fund as give
    from swarm.units import format_amount, parse_amount

    give(context.chain, context.address, parse_amount(amount))
    balance = format_amount(context.chain.token.balance_of(context.address))
    context.screen.facts({"address": context.address, "balance_tok": balance}, essence="balance_tok")


@command.command(epilog=example("swarm wallet show --json"))
@with_context
def show(context: Context) -> None:
    """Show address, tokens, gas, and what can be claimed."""
    from swarm.units import format_amount

    chain, address = context.chain, context.address
    context.screen.facts(
        {
            "account": context.account_name,
            "address": address,
            "balance_tok": format_amount(chain.token.balance_of(address)),
            "gas_eth": format_amount(chain.client.gas_balance(address)),
            "claimable_tok": format_amount(chain.escrow.credit_of(address)),
        },
        essence="address",
    )
