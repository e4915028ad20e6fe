# SPDX-License-Identifier: Apache-2.0
"""`swarm job canary` and `swarm job expose`: results that are false on purpose, for judges who do not look."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, parse_job_id, with_context


@click.command(epilog=example("swarm job canary 7 --as second"))
@click.argument("job")
@click.option("--as", "seller", required=True, help="Another account of this keystore, with stake: the seller.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@with_context
def canary(context: Context, job: str, seller: str, yes: bool) -> None:
    """Post JOB's earlier result as that of another job: false, with a mark that only you can show.

    A judge that vouches for it loses ten fees and its seat when you expose it; everything returns to you then. What
    nobody audits is settled, and costs the protocol's fees.
    """
    from swarm.buyer.canary import Canaries
    from swarm.chain.keystore import Keystore
    from swarm.cli.screen import is_terminal
    from swarm.errors import UsageError

    like = context.chain.escrow.job(parse_job_id(job))
    if not yes and not is_terminal():
        raise UsageError("this would lock an escrow and a collateral", hint="say --yes to post without being asked")
    if not yes:
        click.confirm("This locks an escrow of yours and a collateral of the other account. Proceed?", abort=True)
    account = Keystore(context.config.keystore).unlock(seller, context.passphrase())
    job_id = Canaries(context.chain, context.store, context.home).release(context.account, account, like)
    context.screen.facts({"job": job_id, "seller": account.address, "like": like.job_id}, essence="job")
    context.screen.note(f"once a judge has answered: swarm job expose {job_id}")


@click.command(epilog=example("swarm job expose 9"))
@click.argument("job")
@with_context
def expose(context: Context, job: str) -> None:
    """Show that JOB was a canary: after a judge vouched for it, or after its denial and before a committee is drawn."""
    from swarm.buyer.canary import Canaries

    job_id = parse_job_id(job)
    outcome = Canaries(context.chain, context.store, context.home).expose(context.account, job_id)
    context.screen.facts({"job": job_id, "outcome": outcome}, essence="outcome")
