# SPDX-License-Identifier: Apache-2.0
"""`swarm worker`: sells this machine's time."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, with_context


@click.group()
def command() -> None:
    """Sell this machine's time."""


@command.command(epilog=example("swarm worker start --floor 0.5\nswarm worker start --job 7"))
@click.option("--job", "only_job", help="Take only this job and end with it.")
@click.option("--floor", default=None, help="Lowest price of a job, in tokens.")
@click.option("--collateral", default=None, help="Tokens to lock a job; more collateral means fewer audits.")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@click.option("--memory-gib", type=click.IntRange(1), default=12, show_default=True, help="Memory of one job.")
@click.option("--cpus", type=float, default=2.0, show_default=True, help="Processors of one job.")
@click.option("--for", "seller", help="Work for this account, whose operator this one is: its stake, its earnings.")
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
@with_context
def start(context: Context, **options) -> None:
    """Take jobs, run them in a sandbox, publish and submit their results, collect the payment. ^C ends it cleanly.

    A restart goes on where it stopped: published work is submitted, unfinished work is run again.
    """
    from swarm import daemon, log
    from swarm.cli.common import parse_address, parse_job_id
    from swarm.cli.sandboxes import sandbox_for
    from swarm.journal import Journal, KeyLock
    from swarm.seller.plan import Policy
    from swarm.seller.worker import Worker
    from swarm.units import parse_amount

    log.set_up(as_json=options["log_format"] == "json")
    sandbox = sandbox_for(context, options["sandbox"], role="worker", **_size(options))
    context.store.check()
    lock = KeyLock("worker", context.address).acquire()
    worker = Worker(
        chain=context.chain,
        store=context.store,
        sandbox=sandbox,
        journal=Journal(context.home / "worker.sqlite"),
        account=context.account,
        home=context.home,
        policy=Policy(
            price_floor=parse_amount(options["floor"]) if options["floor"] else 0,
            only_job=parse_job_id(options["only_job"]) if options["only_job"] else None,
        ),
        collateral=parse_amount(options["collateral"]) if options["collateral"] else None,
        accepts_engine=sandbox.runner.accepts,
        seller=parse_address(options["seller"]) if options["seller"] else None,
    )
    worker.start()
    try:
        daemon.run(worker.tick, period_seconds=daemon.period_for(context.network), is_done=lambda: worker.is_done)
    finally:
        worker.stop()
        lock.release()


def _size(options: dict) -> dict:
    return {"memory_bytes": options["memory_gib"] << 30, "cpus": options["cpus"]}
