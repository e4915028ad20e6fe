# SPDX-License-Identifier: Apache-2.0
"""What a person tells a running worker: stop, pause, resume, drain, hand-back. All through files of its home."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from swarm.cli.common import Context, example, with_context
from swarm.errors import NotFound, TransientError, UsageError

_PERIOD_SECONDS = 0.1
_WAIT_SECONDS = 60


@click.command(epilog=example("swarm worker stop"))
@click.option("--timeout", default="3m", show_default=True, help="How long to wait for its end.")
@with_context
def stop(context: Context, timeout: str) -> None:
    """End the worker now; the job at work goes on from its last whole segment at the next start."""
    from swarm.seller.control import Control, Mode
    from swarm.units import parse_duration

    seconds = parse_duration(timeout)
    process = running_worker(context)
    Control(context.home).ask(Mode.STOP, reason="swarm worker stop")
    took = _wait(lambda: holder(context) is None, seconds, f"process {process} to end")
    context.screen.facts({"stopped": process, "seconds": took}, essence="stopped")


@click.command(epilog=example('swarm worker pause\nswarm worker pause --for 2h --reason "a game"'))
@click.option("--for", "duration", help="Go on by itself after this long, for instance 2h.")
@click.option("--reason", default="", help="Shown by status.")
@with_context
def pause(context: Context, duration: str | None, reason: str) -> None:
    """Take no work and end the job's container within seconds; whole segments stay, and resume goes on from them."""
    from swarm.seller.control import Control, Mode
    from swarm.units import parse_duration

    seconds = parse_duration(duration) if duration else None
    running_worker(context)
    before = _facts(context).get("running") or {}
    Control(context.home).ask(Mode.PAUSE, reason=reason, seconds=seconds)
    took = _wait(lambda: _has_paused(context), _WAIT_SECONDS, "the job's sandbox to end")
    context.screen.facts(
        {"mode": "pause", "job": before.get("job"), "seconds": took, "until": duration}, essence="mode"
    )
    if before.get("job"):
        context.screen.note("memory is free; its deadline runs on: swarm worker status")


@click.command(epilog=example("swarm worker resume"))
@with_context
def resume(context: Context) -> None:
    """Take work again, and go on with the job that was paused; also undoes drain."""
    from swarm.seller.control import Control, Mode

    running_worker(context)
    Control(context.home).ask(Mode.RUN)
    took = _wait(lambda: _facts(context).get("mode") == "run", _WAIT_SECONDS, "the worker to notice")
    context.screen.facts({"mode": "run", "seconds": took}, essence="mode")


@click.command(epilog=example("swarm worker drain --wait"))
@click.option("--wait", "waits", is_flag=True, help="Return when the worker has ended.")
@click.option("--reason", default="", help="Shown by status.")
@with_context
def drain(context: Context, waits: bool, reason: str) -> None:
    """Finish and submit the job at work, take no other, then end."""
    from swarm.seller.control import Control, Mode

    process = running_worker(context)
    Control(context.home).ask(Mode.DRAIN, reason=reason)
    ended = lambda: holder(context) is None  # noqa: E731
    took = _wait(lambda: ended() or _facts(context).get("mode") == "drain", _WAIT_SECONDS, "the worker to notice")
    if waits:
        took = _wait(ended, float("inf"), "the worker to end")
    context.screen.facts({"mode": "drain", "process": process, "ended": ended(), "seconds": took}, essence="mode")


@click.command("hand-back", epilog=example("swarm worker hand-back --pause"))
@click.option("--pause", "pauses", is_flag=True, help="Also pause, so that no other job is taken.")
@click.option("--timeout", default="5m", show_default=True, help="How long to wait for it.")
@with_context
def hand_back(context: Context, pauses: bool, timeout: str) -> None:
    """Submit the whole segments of the job at work and open the rest to another seller; they are paid as usual.

    Only jobs whose buyer allowed parts (swarm job post --parts) can be handed back.
    """
    from swarm.seller.control import Control, Mode
    from swarm.units import parse_duration

    seconds = parse_duration(timeout)
    running_worker(context)
    _require_parts(_facts(context))
    control = Control(context.home)
    if pauses:
        control.ask(Mode.PAUSE, reason="handed back")
    request = control.ask_hand_back()
    answer: dict = {}

    def is_answered() -> bool:
        answer.update(_facts(context).get("hand_back") or {})
        return answer.get("request") == request or holder(context) is None

    _wait(is_answered, seconds, "the worker to hand back")
    if answer.get("request") != request:
        raise TransientError("the worker ended before it answered", hint="it hands back when it is started again")
    if not answer.get("done"):
        raise UsageError(f"not handed back: {answer.get('text')}")
    facts = {"job": answer["job"], "rest": answer["rest"], "submitted": answer["text"]}
    context.screen.facts(facts, essence="rest")


VERBS = (stop, pause, resume, drain, hand_back)


def holder(context: Context) -> str | None:
    """The process of this home's worker, None when none runs."""
    from swarm.journal import KeyLock

    return KeyLock("worker", "", directory=context.home).holder()


def running_worker(context: Context) -> str:
    """Raises NotFound when no worker runs with this home."""
    process = holder(context)
    if process is None:
        raise NotFound(f"no worker runs with the home {context.home}", hint="swarm worker start, or give --home")
    return process


def _require_parts(facts: dict) -> None:
    """Says so before anything is interrupted for it."""
    job = facts.get("running") or facts.get("held")
    if not job:
        raise NotFound("no job is at work", hint="swarm worker status")
    if job.get("parts", 2) < 2:
        raise UsageError(f"the terms of job {job['job']} allow one part only, so it cannot be handed back")
    if not job.get("done"):
        raise UsageError(f"no segment of job {job['job']} is done yet", hint="swarm worker pause, or wait for one")


def _has_paused(context: Context) -> bool:
    facts = _facts(context)
    return facts.get("mode") == "pause" and not facts.get("running")


def _facts(context: Context) -> dict:
    from swarm.seller import board

    return board.read(context.home)


def _wait(probe: Callable[[], bool], seconds: float, what: str) -> float:
    """Returns how long it took. Raises TransientError when the time is over."""
    begin = time.monotonic()
    while not probe():
        if time.monotonic() >= begin + seconds:
            raise TransientError(f"gave up waiting for {what} after {seconds:.0f} s", hint="swarm worker logs")
        time.sleep(_PERIOD_SECONDS)
    return round(time.monotonic() - begin, 1)
