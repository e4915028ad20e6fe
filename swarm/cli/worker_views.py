# SPDX-License-Identifier: Apache-2.0
"""What a worker shows: status, why, logs. They read its home and ask nobody, so they answer with everything down."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.worker_verbs import holder

LOG_NAME = "worker.log"
STALE_SECONDS = 60
_FOLLOW_SECONDS = 0.3


@click.command(epilog=example("swarm worker status --json"))
@with_context
def status(context: Context) -> None:
    """Show what the worker does and what it last knew, with the age of that. Never fails, whatever is down."""
    context.screen.facts(status_facts(context), essence="state")


@click.command(epilog=example("swarm worker why"))
@with_context
def why(context: Context) -> None:
    """Say why nothing is earned: what stands in the way, and the open jobs that were seen, counted by reason."""
    from swarm.seller import board
    from swarm.seller.offers import REMEDIES
    from swarm.seller.view import Reason

    facts, process = board.read(context.home), holder(context)
    rows = []
    if process is None:
        rows.append({"jobs": "all", "reason": "no worker runs", "remedy": "swarm worker start"})
    counted = dict(facts.get("not_taken") or {})
    if facts.get("blocked"):
        counted.setdefault(facts["blocked"], 0)
    if trouble := facts.get("trouble"):
        rows.append({"jobs": "all", "reason": trouble["reason"], "remedy": "it tries again by itself"})
    for name, count in sorted(counted.items(), key=lambda item: -item[1]):
        reason = Reason[name.upper()]
        rows.append(
            {"jobs": count, "reason": reason.value, "remedy": REMEDIES.get(reason, "nothing: it is not for you")}
        )
    seen = facts.get("open_jobs")
    age = _age(facts)
    context.screen.note(f"{'no' if seen is None else seen} open job(s) seen{f', {age} ago' if age else ''}")
    working = facts.get("running") or {}
    empty = (
        f"nothing is in the way: job {working['job']} is at work" if working else "nothing is in the way: no open job"
    )
    context.screen.table(rows, essence="reason", empty=empty)


@click.command(epilog=example("swarm worker logs -n 50 --follow"))
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="Lines from the end.")
@click.option("-f", "--follow", is_flag=True, help="Go on until ^C.")
@with_context
def logs(context: Context, lines: int, follow: bool) -> None:
    """Show the worker's log; --json prints it as it is written."""
    from swarm import log
    from swarm.errors import NotFound

    path = context.home / LOG_NAME
    if not path.exists():
        raise NotFound(f"no log at {path}", hint="swarm worker start writes it, or give --home")
    for line in _lines(path, lines, follow):
        if context.screen.mode != "json":
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                line = log.human(json.loads(line))
        click.echo(line)


VERBS = (status, why, logs)


def status_facts(context: Context) -> dict:
    """Everything `status` prints, from the worker's home alone."""
    from swarm.seller import board
    from swarm.units import format_amount

    facts, process = board.read(context.home), holder(context)
    totals, gas = facts.get("totals") or {}, facts.get("gas") or {}
    shown = {
        "state": _state(facts, process),
        "process": process,
        "account": facts.get("account"),
        "seller": facts.get("seller"),
        "known": _known(facts),
        "job": _job(facts),
        "waiting": _waiting(facts.get("jobs") or {}),
        "open_jobs": facts.get("open_jobs"),
        "not_taken": ", ".join(f"{count} {name}" for name, count in (facts.get("not_taken") or {}).items()) or None,
        "earned_tok": format_amount(int(totals.get("earned", 0))),
        "unpaid_tok": format_amount(int(facts.get("unpaid", 0))),
        "at_risk_tok": format_amount(int(facts.get("at_risk", 0))),
        "jobs_ended": ", ".join(f"{count} {name}" for name, count in (totals.get("jobs") or {}).items()) or None,
        "gas_eth": format_amount(int(gas["wei"])) if gas else None,
        "gas_runway": _runway(facts, gas) if gas else None,
    }
    return shown | ({"trouble": facts["trouble"]["reason"]} if facts.get("trouble") else {})


def _state(facts: dict, process: str | None) -> str:
    if process is None:
        return "stopped"
    if str(facts.get("process")) != process:
        return "starting"  # what is written down is of an earlier one
    mode = facts.get("mode", "run")
    if mode == "run":
        return "running" if facts.get("running") else "waiting for work"
    words = {"pause": "paused", "drain": "draining", "stop": "stopping"}[mode]
    ends = facts.get("mode_until")
    left = f" for {_span(ends - time.time())}" if ends else ""
    reason = f" ({facts['mode_reason']})" if facts.get("mode_reason") else ""
    return f"{words}{left}{reason}"


def _known(facts: dict) -> str:
    """How old the news from the chain are."""
    at = (facts.get("chain") or {}).get("at")
    if at is None:
        return "nothing yet"
    age = time.time() - at
    return f"stale {_span(age)}" if age > STALE_SECONDS else f"{_span(age)} ago"


def _age(facts: dict) -> str | None:
    at = (facts.get("chain") or {}).get("at")
    return None if at is None else _span(time.time() - at)


def _job(facts: dict) -> str | None:
    if job := facts.get("running"):
        step = f", step {job['step']} of {job['steps']}" if "step" in job and "steps" in job else ""
        loss = f", loss {job['loss']:.3f}" if isinstance(job.get("loss"), float) else ""
        return f"{job['job']}: {job.get('done', 0)} of {job['segments']} segments done{step}{loss}"
    if held := facts.get("held"):
        return f"{held['job']}: held, {held['done']} of {held['segments']} segments done"
    return None


def _waiting(jobs: dict) -> str | None:
    counted = [f"{count} {name.replace('_', ' ')}" for name, count in jobs.items() if count and name != "running"]
    return ", ".join(counted) or None


def _runway(facts: dict, gas: dict) -> str:
    """In jobs, and in days at the rate since the worker's start where there is one."""
    ended = sum((facts.get("totals") or {}).get("jobs", {}).values())
    age = time.time() - facts.get("first_started_at", facts.get("started_at", time.time()))
    days = f", {gas['jobs'] / (ended * 86_400 / age):.0f} days at this rate" if ended and age > 3_600 else ""
    return f"{gas['jobs']} jobs{days}"


def _span(seconds: float) -> str:
    from swarm.units import format_duration

    return format_duration(seconds)


def _lines(path: Path, count: int | None, follow: bool) -> Iterator[str]:
    """The last lines of a file (None: all) and, on request, what comes; a rotated file is followed into the next."""
    with path.open("r", encoding="utf-8", errors="replace") as file:
        yield from (line.rstrip("\n") for line in deque(file, maxlen=count))
        place = path.stat().st_ino
        while follow:
            if line := file.readline():
                yield line.rstrip("\n")
            elif path.exists() and path.stat().st_ino != place:
                break
            else:
                time.sleep(_FOLLOW_SECONDS)
    if follow:
        yield from _lines(path, None, follow)
