# SPDX-License-Identifier: Apache-2.0
"""Judging: run, and selftest, without which nothing is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm.cli.common import Context, example, with_context
from swarm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swarm.execution.segments import Sandbox
    from swarm.protocol.types import Address, Slot
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
@click.option("--cache-gib", help="The most fetched models and data may hold; the least recently used go first.")
@click.option("--cost-per-hour", help="What this machine costs, in tokens: what pays less is not volunteered for.")
@click.option("--collect-above", help="Earned fees from this many tokens on are paid out, default 5.")
@click.option("--metrics-port", help="Serve /metrics, /healthz and /readyz on 127.0.0.1; default: off.")
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
@with_context
def run(context: Context, sandbox: str, log_format: str, **options: str | None) -> None:
    """Judge until ^C: re-execute what this account is drawn for, confirm, deny or vote, and move cases on. Earned fees
    are paid out to the slots' owners as they come together.

    Before the first case the machine must get the golden job's known result; a pass is good for a day of restarts.
    """
    from swarm import daemon, log
    from swarm.cli.worker import gib, monitor
    from swarm.journal import Journal, KeyLock
    from swarm.monitoring import connections
    from swarm.units import parse_amount
    from verifier import metrics
    from verifier.actions import Rest
    from verifier.replay import Replayer
    from verifier.service import Judge

    context.config = context.config.with_flags(options)
    log.set_up(as_json=log_format == "json")
    box = _box(context, sandbox)
    require_classes(box, context.chain.bench.slots(), context.address)
    # One home has one journal: two judges would reveal each other's salts.
    locks = [
        KeyLock("verifier", context.address).acquire(),
        KeyLock("verifier", context.address, directory=context.home).acquire(),
    ]
    box.runner.reap(box.owner)
    _selftest(context, box).require(context.home / "selftest")
    replayer = Replayer(context.store, box, context.home, cache_bytes=gib(context.config, "cache_gib"))
    replayer.workspaces.sweep()
    judge = Judge(
        chain=context.chain,
        replayer=replayer,
        journal=Journal(context.home / "verifier.sqlite").bind(context.chain.deployment()),
        account=context.account,
        cost_per_second=(context.config.number("cost_per_hour") or 0.0) * 1e18 / 3600,
        collect_above=parse_amount(context.config.get("collect_above")),
    )
    period = daemon.period_for(context.network)
    heart = daemon.Heart(period)
    shown = (
        lambda: [*metrics.collect(judge.watch), *connections(context.chain.client)],
        lambda: metrics.readiness(judge.watch),
    )
    watched = monitor(context.config, heart, shown)
    loop = {"is_at_rest": lambda action: isinstance(action, Rest), "watch": judge.has_news, "heart": heart}
    try:
        daemon.run(judge.tick, period_seconds=period, **loop)
    finally:
        judge.stop()
        if watched:
            watched.stop()
        for lock in locks:
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


def require_classes(box: Sandbox, slots: Iterable[Slot], operator: Address) -> None:
    """Raises UsageError for a seat of `operator` whose class this machine cannot compute: a draw would cost a fee."""
    from swarm.protocol.hardware import CLASSES

    names = {number: name for name, number in CLASSES.items()}
    for slot in slots:
        name = names.get(slot.hardware_class, f"number {slot.hardware_class}")
        if slot.operator == operator and slot.is_active and not (name in CLASSES and box.computes(name)):
            words = f"slot {slot.slot_id} serves class {name}, which this machine cannot compute"
            raise UsageError(words, hint="see swarm doctor and --gpu, or run `verifier unregister`")


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
