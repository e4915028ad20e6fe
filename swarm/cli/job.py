# SPDX-License-Identifier: Apache-2.0
"""`swarm job`: buying and watching work."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli import canary
from swarm.cli.common import Context, example, parse_job_id, with_context
from swarm.cli.data import data_options
from swarm.cli.overriding import override_options


@click.group()
def command() -> None:
    """Buy and watch work."""


for verb in (canary.canary, canary.expose):
    command.add_command(verb)


@command.command(epilog=example("swarm job post lora.yaml --yes"))
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--engine", help="Image digest sha256:… or process; default: what the spec says.  [SWARM_ENGINE]")
@click.option("--start-price", help="Tokens: offer this first and rise to what the budget allows; needs --rise.")
@click.option("--rise", type=click.IntRange(1), help="Seconds the price takes to rise.")
@click.option("--seller", help="Only this account may accept.")
@click.option("--min-reputation", type=click.FloatRange(0, 99.99), default=0, help="Percent; a newcomer has 0.")
@click.option("--parts", type=click.IntRange(1, 16), default=1, help="Sellers who may finish it one after the other.")
@override_options
@data_options
@click.option("--dry-run", is_flag=True, help="Show spec CID, price, escrow and transactions; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@with_context
def post(context: Context, spec: Path, engine: str | None, dry_run: bool, yes: bool, **options) -> None:
    """Check SPEC, pin everything it names, and post the job. The escrow is the most you can ever pay."""
    from swarm.cli.cleaning import cleaned
    from swarm.cli.posting import post_spec
    from swarm.workloads.overrides import Overrides
    from swarm.workloads.spec import load_spec

    wishes = _wishes(options)
    found = load_spec(spec, Overrides.parse(options["sets"], options["variables"]))
    cleaning = {name: options[name] for name in ("skip_invalid", "dedupe")}
    if any(cleaning.values()):
        found = cleaned(context, found, spec.parent, **cleaning)
    post_spec(context, found, base=spec.parent, engine=engine, dry_run=dry_run, yes=yes, wishes=wishes)


@command.command("list", epilog=example("swarm job list --state open"))
@click.option("--state", help="Only jobs in this state, for instance open or settled.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@with_context
def list_(context: Context, state: str | None, limit: int) -> None:
    """List the newest jobs."""
    from swarm.protocol.types import JobStatus
    from swarm.units import format_amount

    wanted = _state(state)
    rows: list[dict] = []
    total = context.chain.escrow.job_count()
    for job in context.chain.escrow.jobs():
        if wanted in (None, job.status):
            rows.append(
                {
                    "job": job.job_id,
                    "state": _name(job.status),
                    "price_tok": format_amount(job.price or job.terms.max_price),
                    "segments": job.segments,
                    "buyer": job.buyer[:10],
                    "seller": job.seller[:10] if int(job.seller, 16) else "-",
                    "audit_rate": f"{job.audit_bps / 100:g} %" if job.audit_bps else "-",
                }
            )
        if len(rows) == limit:
            break
    name = f"{_name(JobStatus(wanted))} " if wanted is not None else ""
    context.screen.table(rows, essence="job", empty=f"no {name}job among {total}: swarm job post posts one")


@command.command(epilog=example("swarm job show 7"))
@click.argument("job")
@with_context
def show(context: Context, job: str) -> None:
    """Show one job: state, money, audit, and what happens next."""
    from swarm.cli.reading import job_facts

    job_id = parse_job_id(job)
    context.screen.facts(job_facts(context.chain, job_id), essence="state")


@command.command(epilog=example("swarm job watch 7"))
@click.argument("job")
@click.option("--timeout", type=click.IntRange(1), help="Give up after so many seconds.")
@with_context
def watch(context: Context, job: str, timeout: int | None) -> None:
    """Follow a job to its end. ^C detaches; the job goes on."""
    from swarm.cli.watching import watch_job

    watch_job(context, parse_job_id(job), timeout)


@command.command(epilog=example("swarm job pull 7 -o ./out"))
@click.argument("job")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("out"), show_default=True)
@with_context
def pull(context: Context, job: str, output: Path) -> None:
    """Download what JOB delivers, of whatever type, and check it against the commitment on chain."""
    from swarm.buyer.pull import pull as fetch

    job_id = parse_job_id(job)
    pulled = fetch(context.store, context.chain.escrow.job(job_id), output)
    context.screen.facts(
        {
            "directory": str(pulled.directory),
            "files": ", ".join(file.name for file in pulled.files),
            "bytes": sum(file.bytes for file in pulled.files),
            "commitment": "matches the one on chain",
        },
        essence="directory",
    )


@command.command(epilog=example("swarm job cancel 7"))
@click.argument("job")
@with_context
def cancel(context: Context, job: str) -> None:
    """Take back a job nobody has accepted; everything returns."""
    _transition(context, job, "cancel")


@command.command(epilog=example("swarm job refund 7"))
@click.argument("job")
@with_context
def refund(context: Context, job: str) -> None:
    """End a job nobody accepted in time or whose seller is late; the payment returns to its buyer."""
    _transition(context, job, "refund")


@command.command(epilog=example("swarm job settle 7"))
@click.argument("job")
@with_context
def settle(context: Context, job: str) -> None:
    """Pay the seller. The buyer may do so before the audit window is over, anybody afterwards."""
    _transition(context, job, "settle")


@command.command(epilog=example("swarm job challenge 7 --segment 3\nswarm job challenge 7 --undelivered"))
@click.argument("job")
@click.option("--segment", type=click.IntRange(0), help="Ask a committee to re-execute this segment.")
@click.option("--undelivered", is_flag=True, help="Ask a committee to fetch the result.")
@with_context
def challenge(context: Context, job: str, segment: int | None, undelivered: bool) -> None:
    """Bond five judge's fees on a submitted result being wrong, or not there; joins a challenge that is open."""
    from swarm.buyer.dispute import challenge as begin
    from swarm.errors import UsageError
    from swarm.protocol.types import UNDELIVERED
    from swarm.units import format_amount

    if (segment is None) == (not undelivered):
        raise UsageError("say what is wrong", hint="--segment N, or --undelivered")
    job_id = parse_job_id(job)
    bond = begin(context.chain, context.account, job_id, UNDELIVERED if segment is None else segment)
    context.screen.facts({"job": job_id, "bond_tok": format_amount(bond)}, essence="bond_tok")


@command.command(epilog=example("swarm job appeal 7"))
@click.argument("job")
@with_context
def appeal(context: Context, job: str) -> None:
    """Take a committee's ruling to the next one, for a bond of one fee for each of its judges."""
    from swarm.buyer.dispute import appeal as begin
    from swarm.units import format_amount

    job_id = parse_job_id(job)
    bond = begin(context.chain, context.account, job_id)
    context.screen.facts({"job": job_id, "bond_tok": format_amount(bond)}, essence="bond_tok")


def _wishes(options: dict):
    from swarm.buyer.offer import Wishes
    from swarm.cli.common import parse_address
    from swarm.errors import UsageError
    from swarm.protocol.types import ZERO_ADDRESS
    from swarm.units import parse_amount

    if (options["start_price"] is None) != (options["rise"] is None):
        raise UsageError("a rising price needs where it starts and how long it rises", hint="--start-price and --rise")
    return Wishes(
        start_price=parse_amount(options["start_price"]) if options["start_price"] else None,
        rise_seconds=options["rise"] or 0,
        seller=parse_address(options["seller"]) if options["seller"] else ZERO_ADDRESS,
        min_reputation=round(100 * options["min_reputation"]),
        parts=options["parts"],
    )


def _transition(context: Context, job: str, verb: str) -> None:
    from swarm.cli.reading import job_facts

    job_id = parse_job_id(job)
    escrow = context.chain.escrow
    getattr(escrow, verb)(context.account, escrow.job(job_id))
    context.screen.facts(job_facts(context.chain, job_id), essence="state")


def _state(name: str | None):
    from swarm.errors import UsageError
    from swarm.protocol.types import JobStatus

    if name is None:
        return None
    names = {_name(status): status for status in JobStatus if status}
    if name.lower().replace("_", " ") not in names:
        raise UsageError(f"unknown state {name!r}", hint=f"one of: {', '.join(names)}")
    return names[name.lower().replace("_", " ")]


def _name(status) -> str:
    return status.name.lower().replace("_", " ")
