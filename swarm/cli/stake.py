# SPDX-License-Identifier: Apache-2.0
"""`swarm stake`: what vouches for a seller or judge."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, with_context


@click.group()
def command() -> None:
    """Deposit, look at and take out the stake that vouches for you."""


@command.command(epilog=example("swarm stake deposit 50"))
@click.argument("amount")
@with_context
def deposit(context: Context, amount: str) -> None:
    """Deposit AMOUNT tokens and let the escrow lock them for jobs you accept."""
    from swarm.units import format_amount, parse_amount

    chain, account, value = context.chain, context.account, parse_amount(amount)
    chain.deposit(account, value, chain.network.escrow)
    stake = chain.vault.stake_of(account.address)
    context.screen.facts({"stake_tok": format_amount(stake.stake), "free_tok": format_amount(stake.free)})


@command.command(epilog=example("swarm stake show"))
@with_context
def show(context: Context) -> None:
    """Show stake, what is locked for jobs and cases, and what is on its way out."""
    from swarm.units import format_amount

    chain, address = context.chain, context.address
    stake = chain.vault.stake_of(address)
    unbonding = [
        f"number {entry.unbond_id}: {format_amount(entry.amount)} TOK from {entry.ready_at} on"
        for entry in chain.vault.unbondings_of(address)
    ]
    context.screen.facts(
        {
            "stake_tok": format_amount(stake.stake),
            "free_tok": format_amount(stake.free),
            "locked_for_jobs_tok": format_amount(chain.vault.locked_by(address, chain.network.escrow)),
            "locked_for_judging_tok": format_amount(chain.vault.locked_by(address, chain.network.bench)),
            "unbonding": "; ".join(unbonding) or "none",
            "reputation": f"{chain.reputation.score_of(address) / 100:g} %",
            "payout": chain.vault.payout_of(address),
        }
    )


@command.command(epilog=example("swarm stake keys --operator 0x… --payout 0x…"))
@click.option("--operator", help="The key that accepts and submits for this account; it cannot touch the stake.")
@click.option("--payout", help="Where earnings go; this account by default.")
@with_context
def keys(context: Context, operator: str | None, payout: str | None) -> None:
    """Name the key of the machine that works for this account, and the account that is paid."""
    from swarm.cli.common import parse_address
    from swarm.errors import UsageError
    from swarm.protocol.types import ZERO_ADDRESS

    if operator is None and payout is None:
        raise UsageError("nothing to change", hint="--operator ADDRESS, --payout ADDRESS")
    vault, address = context.chain.vault, context.address
    wanted = parse_address(operator) if operator else vault.operator_of(address)
    paid = parse_address(payout) if payout else vault.payout_of(address)
    vault.set_keys(context.account, wanted, ZERO_ADDRESS if paid == address else paid)
    context.screen.facts({"operator": vault.operator_of(address), "payout": vault.payout_of(address)})


@command.command(epilog=example("swarm stake unbond 10"))
@click.argument("amount")
@with_context
def unbond(context: Context, amount: str) -> None:
    """Start to take AMOUNT of free stake out; withdraw it after the delay."""
    from swarm.units import format_amount, parse_amount

    chain = context.chain
    chain.vault.unbond(context.account, parse_amount(amount))
    entry = chain.vault.unbondings_of(context.address)[-1]
    ready_in = max(0, entry.ready_at - chain.client.now())
    context.screen.facts(
        {"number": entry.unbond_id, "amount_tok": format_amount(entry.amount), "ready_in_seconds": ready_in}
    )


@command.command(epilog=example("swarm stake withdraw"))
@click.option("--number", type=int, help="Only this unbonding; default: all that are ready.")
@with_context
def withdraw(context: Context, number: int | None) -> None:
    """Withdraw unbonded stake to your account."""
    from swarm.errors import UsageError
    from swarm.units import format_amount

    chain = context.chain
    now = chain.client.now()
    entries = chain.vault.unbondings_of(context.address)
    due = [entry for entry in entries if entry.unbond_id == number or (number is None and entry.ready_at <= now)]
    if not due:
        waiting = f"{len(entries)} still unbonding" if entries else "nothing is unbonding"
        raise UsageError(f"nothing to withdraw: {waiting}", hint="swarm stake show")
    for entry in due:
        chain.vault.withdraw(context.account, entry.unbond_id, context.address)
    total = format_amount(sum(entry.amount for entry in due))
    context.screen.facts({"withdrawn_tok": total})
