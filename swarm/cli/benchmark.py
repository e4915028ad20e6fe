# SPDX-License-Identifier: Apache-2.0
"""`swarm benchmark`: how fast this machine trains, in the sandbox that jobs run in, within a given time."""

from __future__ import annotations

import click

from swarm.cli.common import Context, example, with_context


@click.command(epilog=example("swarm benchmark --seconds 30"))
@click.option("--seconds", type=click.IntRange(5, 600), default=60, show_default=True, help="Ends after this long.")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@with_context
def command(context: Context, seconds: int, sandbox: str) -> None:
    """Train a random model of 5 million parameters for some seconds; fetches nothing, sends nothing."""
    from swarm.cli.sandboxes import local_sandbox
    from swarm.cli.worker import size_of
    from swarm.execution.golden import run_benchmark

    box, engine = local_sandbox(sandbox, context.config.get("engine"), role="benchmark", **size_of(context.config))
    context.screen.note(f"training for {seconds} s in {box.runner.name}, engine {engine[:19]}; ^C ends it")
    found = run_benchmark(box, engine, context.home / "benchmark", seconds=seconds)
    context.screen.facts(
        {
            "tokens_per_second": round(found.tokens_per_second, 1),
            "seconds_per_step": round(found.seconds_per_step, 3),
            "steps": found.steps,
            "startup_seconds": round(found.startup_seconds, 1),
            "sandbox": box.runner.name,
            "engine": engine,
        },
        essence="tokens_per_second",
    )
