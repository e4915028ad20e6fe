# SPDX-License-Identifier: Apache-2.0
"""`verifier`: the judge's commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm import __version__
from swarm.cli.common import Context, example, parse_job_id, with_context
from swarm.cli.main import run as run_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.protocol.types import Address, Ballot, Digest


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="verifier")
def command() -> None:
    """Judge other people's work: re-execute a drawn segment, confirm or deny, earn the fee.

    \b
    Examples:
      verifier register        lock the bond and take a slot
      verifier run             judge until ^C
      verifier collect         have the earned fees paid
      verifier show 7          who judges job 7 and what they found
    """


@command.command(epilog=example("verifier register --class cpu-fp32"))
@click.option("--class", "hardware", default="cpu-fp32", show_default=True, help="Hardware class to re-execute.")
@click.option("--operator", help="Address of the key that sends verdicts; default: this account.")
@with_context
def register(context: Context, hardware: str, operator: str | None) -> None:
    """Deposit the bond (what is missing of it), authorise the bench and take a slot."""
    from swarm.protocol.hardware import class_number
    from swarm.units import format_amount

    number = class_number(hardware)
    chain, account = context.chain, context.account
    slot_id = chain.take_slot(account, number, _address(operator or account.address))
    bond = chain.bench.slot_bond()
    context.screen.facts({"slot": slot_id, "class": hardware, "bond_tok": format_amount(bond)}, essence="slot")


@command.command(
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


@command.command(epilog=example("verifier collect"))
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


@command.command(epilog=example("verifier run --log-format json"))
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@click.option("--memory-gib", type=click.IntRange(1), default=12, show_default=True, help="Memory of one replay.")
@click.option("--cpus", type=float, default=2.0, show_default=True, help="Processors of one replay.")
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
@with_context
def run(context: Context, sandbox: str, memory_gib: int, cpus: float, log_format: str) -> None:
    """Judge until ^C: re-execute what this account is drawn for, confirm, deny or vote, and move cases on."""
    from swarm import daemon, log
    from swarm.cli.sandboxes import sandbox_for
    from swarm.journal import Journal, KeyLock
    from verifier.replay import Replayer
    from verifier.service import Judge

    log.set_up(as_json=log_format == "json")
    box = sandbox_for(context, sandbox, role="verifier", memory_bytes=memory_gib << 30, cpus=cpus)
    lock = KeyLock("verifier", context.address).acquire()
    box.runner.reap(box.owner)
    judge = Judge(
        chain=context.chain,
        replayer=Replayer(context.store, box, context.home),
        journal=Journal(context.home / "verifier.sqlite"),
        account=context.account,
    )
    try:
        daemon.run(judge.tick, period_seconds=daemon.period_for(context.network))
    finally:
        judge.stop()
        lock.release()


@command.command(epilog=example("verifier show 7"))
@click.argument("job")
@with_context
def show(context: Context, job: str) -> None:
    """Show the case of JOB: what is in question, its judge, and each committee's seals and findings."""
    from swarm.errors import NotFound
    from swarm.protocol.types import UNDELIVERED, CaseStatus, Ruling

    job_id = parse_job_id(job)
    chain = context.chain
    chain.escrow.job(job_id)
    case = chain.court.case(job_id)
    if case.status is CaseStatus.NONE:
        raise NotFound(f"job {job_id} has no case", hint="swarm job show tells its state")
    ballots = [chain.ballots.ballot(job_id, round_) for round_ in range(case.first_round, case.round + 1)]
    facts = {
        "job": job_id,
        "case": case.status.name.lower(),
        "opened_by": "draw" if case.answers_draw else "challenge",
        "segment": "undelivered" if case.segment == UNDELIVERED else case.segment,
        "comparison": case.comparison.name.lower(),
        "judge": f"slot {case.judge}" if case.judge else "none",
        "denied": any(case.denied),
        "ruling": None if case.ruling is Ruling.NONE else case.ruling.name.lower(),
        "replacements": case.replacements,
        "deadline": ballots[-1].deadline if case.status is CaseStatus.VOTING else case.deadline,
    }
    for ballot in ballots:
        facts[f"ballot_{ballot.round}"] = ballot.status.name.lower()
        found = [chain.ballots.finding(job_id, ballot.round, seat) for seat in range(len(ballot.committee))]
        for seat, slot_id in enumerate(ballot.committee):
            facts[f"ballot_{ballot.round}_slot_{slot_id}"] = _seat_text(ballot, seat, found)
    context.screen.facts(facts, essence="case")


def _seat_text(ballot: Ballot, seat: int, found: Sequence[Digest]) -> str:
    """What a member has said so far, in a few words."""
    from swarm.protocol.types import MATCH, MISMATCH, UNAVAILABLE

    if not ballot.has_sealed(seat):
        return "has not sealed"
    if not ballot.has_revealed(seat):
        return "sealed"
    words = {
        MATCH: "found the seller's own result",
        MISMATCH: "found another result",
        UNAVAILABLE: "could not fetch the result",
    }
    if not any(found[seat]):
        return "has revealed"  # findings are kept until the case is closed; the event has it for ever
    # A leaf that one member proved to be the seller's own is so whoever found it.
    proved = {found[index] for index in range(len(found)) if ballot.proved_seats >> index & 1}
    verdict = MATCH if found[seat] in proved else found[seat]
    return words.get(verdict) or f"found another result, 0x{verdict.hex()[:16]}…"


def _address(text: str) -> Address:
    from eth_utils import is_address, to_checksum_address

    from swarm.errors import UsageError

    if not is_address(text):
        raise UsageError(f"{text!r} is not an address", hint="0x and 40 hex digits")
    return to_checksum_address(text)


def main() -> None:
    run_group(command)


if __name__ == "__main__":
    main()
