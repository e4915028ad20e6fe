# SPDX-License-Identifier: Apache-2.0
"""Judging: run, and selftest, without which nothing is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm.cli.common import Context, example, with_context

if TYPE_CHECKING:
    from swarm.execution.segments import Sandbox
    from verifier.selftest import Selftest

_SANDBOX = click.option(
    "--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True
)
_MEMORY = click.option("--memory-gib", help="Memory of one replay, default 12.  [SWARM_MEMORY_GIB]")
_GPU = click.option("--gpu", help="auto, none, or the index or UUID of the GPU for replays.  [SWARM_GPU]")
_CPUS = click.option("--cpus", help="Processors of one replay, default 2.  [SWARM_CPUS]")


@click.command(epilog=example("verifier run --log-format json"))
@_SANDBOX
@_MEMORY
@_CPUS
@_GPU
@click.option("--cost-per-hour", help="What this machine costs, in tokens: what pays less is not volunteered for.")
@click.option("--metrics-port", help="Serve /metrics, /healthz and /readyz on 127.0.0.1; default: off.")
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
@with_context
def run(context: Context, sandbox: str, log_format: str, **options: str | None) -> None:
    """Judge until ^C: re-execute what this account is drawn for, confirm, deny or vote, and move cases on.

    Before the first case the machine must get the golden job's known result; a pass is good for a day of restarts.
    """
    from swarm import daemon, log
    from swarm.cli.worker import monitor
    from swarm.journal import Journal, KeyLock
    from swarm.monitoring import connections
    from verifier import metrics
    from verifier.replay import Replayer
    from verifier.service import Judge

    context.config = context.config.with_flags(options)
    log.set_up(as_json=log_format == "json")
    box = _box(context, sandbox)
    lock = KeyLock("verifier", context.address).acquire()
    box.runner.reap(box.owner)
    _selftest(context, box).require(context.home / "selftest")
    judge = Judge(
        chain=context.chain,
        replayer=Replayer(context.store, box, context.home),
        journal=Journal(context.home / "verifier.sqlite").bind(context.chain.deployment()),
        account=context.account,
        cost_per_second=(context.config.number("cost_per_hour") or 0.0) * 1e18 / 3600,
    )
    period = daemon.period_for(context.network)
    heart = daemon.Heart(period)
    shown = (
        lambda: [*metrics.collect(judge.watch), *connections(context.chain.client)],
        lambda: metrics.readiness(judge.watch),
    )
    watched = monitor(context.config, heart, shown)
    try:
        daemon.run(judge.tick, period_seconds=period, heart=heart)
    finally:
        judge.stop()
        if watched:
            watched.stop()
        lock.release()


@click.command(epilog=example("verifier selftest"))
@_SANDBOX
@_MEMORY
@_CPUS
@_GPU
@with_context
def selftest(context: Context, sandbox: str, **options: str | None) -> None:
    """Train the golden job in the sandbox and compare its digest with the known one; exit code 13 where it differs."""
    context.config = context.config.with_flags(options)
    passed = _selftest(context, _box(context, sandbox)).require(context.home / "selftest", fresh=True)
    facts = {"golden": "matches", "digest": passed.digest, "seconds": passed.seconds, "engine": passed.engine}
    context.screen.facts(facts, essence="digest")


VERBS = (run, selftest)


def _box(context: Context, sandbox: str) -> Sandbox:
    from swarm.cli.sandboxes import sandbox_for
    from swarm.cli.worker import size_of

    return sandbox_for(context, sandbox, role="verifier", **size_of(context.config))


def _selftest(context: Context, box: Sandbox) -> Selftest:
    """Shared by this user's daemons on this machine, whatever their homes."""
    from swarm.errors import SwarmError
    from swarm.journal import machine_directory
    from swarm.runtime.images import held_image
    from verifier.selftest import Selftest, engine_for

    try:
        held = held_image(None)
    except SwarmError:
        held = None
    engine = engine_for(box, [context.config.get("engine"), context.network.engine, held, "process"])
    return Selftest(box, engine, machine_directory() / "selftest")
