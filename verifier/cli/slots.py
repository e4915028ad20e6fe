# SPDX-License-Identifier: Apache-2.0
"""A judge's seat: register, unregister, and what it has earned: collect."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, parse_address, with_context


@click.command(epilog=example("verifier register --class cpu-fp32"))
@click.option("--class", "hardware", default="cpu-fp32", show_default=True, help="Hardware class to re-execute.")
@click.option("--operator", help="Address of the key that sends verdicts; default: this account.")
@with_context
def register(context: Context, hardware: str, operator: str | None) -> None:
    """Deposit the bond (what is missing of it), authorise the bench and take a slot."""
    from swarm.protocol.hardware import class_number
    from swarm.units import format_amount

    number = class_number(hardware)
    chain, account = context.chain, context.account
    slot_id = chain.take_slot(account, number, parse_address(operator or account.address))
    bond = chain.bench.slot_bond()
    context.screen.facts({"slot": slot_id, "class": hardware, "bond_tok": format_amount(bond)}, essence="slot")


@click.command(
    epilog=example("verifier unregister\nverifier unregister   # again after the exit delay: frees the bond")
)
@with_context
def unregister(context: Context) -> None:
    """Leave the account's slots; once the exit delay is over, run it again to free their bonds."""
    from swarm.errors import NotFound

    chain = context.chain
    mine = [slot for slot in chain.bench.slots() if slot.owner == context.address]
    if not mine:
        raise NotFound("this account has no slot", hint="verifier register takes one")
    for slot in mine:
        if slot.is_active:
            chain.bench.leave_slot(context.account, slot.slot_id)
            context.screen.note(f"left slot {slot.slot_id}; its bond is free after the exit delay")
        else:
            chain.bench.release_slot(context.account, slot.slot_id)
            context.screen.note(f"released slot {slot.slot_id}; its bond is free stake again")


@click.command(epilog=example("verifier collect"))
@with_context
def collect(context: Context) -> None:
    """Have the fees paid that the account's slots have earned: one transfer a slot, to the payout address."""
    from swarm.units import format_amount

    chain, paid = context.chain, 0
    for slot in chain.bench.slots():
        earned = chain.bench.bond(slot.slot_id).earned if slot.owner == context.address else 0
        if earned:
            chain.bench.collect(context.account, slot.slot_id)
            context.screen.note(f"collected {format_amount(earned)} TOK of slot {slot.slot_id}")
            paid += earned
    context.screen.facts({"collected_tok": format_amount(paid)}, essence="collected_tok")


VERBS = (register, unregister, collect)
