# SPDX-License-Identifier: Apache-2.0
"""`swarm worker`: sells this machine's time. Here: start; the other verbs are in worker_verbs, _views, _install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from swarm.cli import worker_install, worker_verbs, worker_views
from swarm.cli.common import Context, example, with_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client.core import Metric

    from swarm.chain.client import ChainClient
    from swarm.config import Config
    from swarm.daemon import Heart
    from swarm.monitoring import Monitor
    from swarm.seller.board import Board
    from swarm.seller.policy import Policy


@click.group()
def command() -> None:
    """Sell this machine's time."""


for verb in (*worker_verbs.VERBS, *worker_views.VERBS, *worker_install.VERBS):
    command.add_command(verb)


@command.command(epilog=example("swarm worker start --floor 0.5 --max-job 4h\nswarm worker start --job 7"))
@click.option("--job", "only_job", help="Take only this job and end with it.")
@click.option("--floor", help="Lowest price of a job, in tokens.  [SWARM_FLOOR]")
@click.option("--collateral", default=None, help="Tokens to lock a job; more collateral means fewer audits.")
@click.option("--types", help="Types of jobs to take, separated by commas; default: all.  [SWARM_TYPES]")
@click.option("--classes", help="Hardware classes to compute; default: all this machine has.  [SWARM_CLASSES]")
@click.option("--images", help="any, or the image digests to run, separated by commas.  [SWARM_IMAGES]")
@click.option("--max-job", help="Longest job to take, default 72h.  [SWARM_MAX_JOB]")
@click.option("--hours", help="When to take work, local time: mon-fri 18:00-08:00, sat-sun 00:00-24:00.  [SWARM_HOURS]")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@click.option("--memory-gib", help="Memory of one job, default 12.  [SWARM_MEMORY_GIB]")
@click.option("--cpus", help="Processors of one job, default 2.  [SWARM_CPUS]")
@click.option("--gpu", help="auto, none, or the index or UUID of the GPU that jobs are lent.  [SWARM_GPU]")
@click.option("--disk-gib", help="The most the worker's home may hold; default: no limit.  [SWARM_DISK_GIB]")
@click.option("--cache-gib", help="The most fetched models and data may hold; the least recently used go first.")
@click.option("--metrics-port", help="Serve /metrics, /healthz and /readyz on 127.0.0.1; default: off.")
@click.option("--for", "seller", help="Work for this account, whose operator this one is: its stake, its earnings.")
@click.option("--log-format", type=click.Choice(["human", "json"]), default="human", show_default=True)
@with_context
def start(context: Context, **options) -> None:
    """Take jobs, run them in a sandbox, publish and submit their results, collect the payment. ^C ends it cleanly.

    A restart goes on where it stopped: published work is submitted, unfinished work continues from its last whole
    segment, and a pause that was asked for stays.
    """
    from dataclasses import replace

    from swarm import daemon, log
    from swarm.cli.common import parse_address, parse_job_id
    from swarm.cli.sandboxes import restricted, sandbox_for
    from swarm.cli.stores import seller_store_of
    from swarm.journal import Journal, KeyLock
    from swarm.seller.plan import Rest
    from swarm.seller.worker import Worker
    from swarm.units import parse_amount

    names = ("floor", "types", "classes", "images", "max_job", "hours", "memory_gib", "cpus", "gpu", "disk_gib")
    context.config = context.config.with_flags({name: options[name] for name in (*names, "cache_gib", "metrics_port")})
    policy = policy_of(context.config, only_job=parse_job_id(options["only_job"]) if options["only_job"] else None)
    size = size_of(context.config)
    period = daemon.period_for(context.network)
    log.set_up(as_json=options["log_format"] == "json", file=context.home / worker_views.LOG_NAME)
    sandbox = sandbox_for(context, options["sandbox"], role="worker", **size)
    sandbox, classes = restricted(sandbox, context.config.get("classes"))
    policy = replace(policy, classes=classes)
    store, delivery = seller_store_of(context.config, context.home, context.network)
    store.check()
    delivery.check()
    locks = [
        KeyLock("worker", context.address).acquire(),
        KeyLock("worker", context.address, directory=context.home).acquire(),
    ]
    worker = Worker(
        chain=context.chain,
        store=store,
        delivery=delivery,
        sandbox=sandbox,
        journal=Journal(context.home / "worker.sqlite").bind(context.chain.deployment()),
        account=context.account,
        home=context.home,
        policy=policy,
        collateral=parse_amount(options["collateral"]) if options["collateral"] else None,
        accepts_engine=sandbox.runner.accepts,
        seller=parse_address(options["seller"]) if options["seller"] else None,
    )
    worker.start()
    heart = daemon.Heart(period)
    watched = monitor(context.config, heart, worker_metrics(worker.board, context.chain.client))
    asked = {"is_done": lambda: worker.is_done, "is_at_rest": lambda action: isinstance(action, Rest)}
    try:
        daemon.run(worker.tick, period_seconds=period, watch=worker.watch, heart=heart, **asked)
    finally:
        worker.stop()
        if watched:
            watched.stop()
        for lock in locks:
            lock.release()


def monitor(config: Config, heart: Heart, shown: tuple[Callable, Callable]) -> Monitor | None:
    """The loopback server of /metrics, where a port is set; `shown` are its collector and its readiness."""
    from swarm.monitoring import Monitor

    port = config.number("metrics_port")
    collect, readiness = shown
    return Monitor(int(port), collect, health=heart.trouble, readiness=readiness).start() if port else None


def worker_metrics(board: Board, client: ChainClient) -> tuple[Callable, Callable]:
    from swarm.monitoring import connections
    from swarm.runtime.gpus import gpus
    from swarm.seller import metrics

    def collect() -> list[Metric]:
        return [*metrics.collect(board.facts(), gpus()[0]), *connections(client)]

    return collect, lambda: metrics.readiness(board.facts())


def policy_of(config: Config, *, only_job=None) -> Policy:
    """What the settings say about which jobs to take. Raises UsageError for the first that cannot be read."""
    from swarm.seller.policy import Policy, parse_hours, parse_images, parse_types
    from swarm.units import parse_amount, parse_duration
    from swarm.workloads.registry import WORKLOADS

    floor, types, hours = config.get("floor"), config.get("types"), config.get("hours")
    return Policy(
        price_floor=parse_amount(floor) if floor else 0,
        max_run_seconds=parse_duration(config.get("max_job") or "72h"),
        only_job=only_job,
        types=parse_types(types, WORKLOADS) if types else None,
        images=parse_images(config.get("images") or "any"),
        hours=parse_hours(hours) if hours else (),
        disk_bytes=gib(config, "disk_gib"),
        cache_bytes=gib(config, "cache_gib"),
    )


def size_of(config: Config) -> dict:
    """What one job may use, as `sandbox_for` takes it."""
    return {"memory_bytes": gib(config, "memory_gib"), "cpus": config.number("cpus"), "gpu": config.get("gpu")}


def gib(config: Config, key: str) -> int | None:
    """A setting in GiB as bytes; None where there is none."""
    size = config.number(key)
    return None if size is None else int(size * (1 << 30))
