# SPDX-License-Identifier: Apache-2.0
"""Following a sweep, and its facts as people read them."""

from __future__ import annotations

import json
import signal
import threading
from typing import IO, TYPE_CHECKING, Any

import click

from swarm.errors import SwarmError, UsageError
from swarm.units import format_amount

if TYPE_CHECKING:
    from swarm.buyer.sweep.book import Header, SweepBook
    from swarm.buyer.sweep.ledger import Run
    from swarm.buyer.sweep.plan import View
    from swarm.cli.common import Context
    from swarm.workloads.container.spec import ContainerSpec

_STOPPED = 10  # exit code: ended without being able to finish
_SPENT = 6


def follow(context: Context, book: SweepBook) -> None:
    """Runs the controller until the sweep ends; exits with the code of its end. ^C detaches with 130."""
    from swarm.buyer.sweep.controller import Controller
    from swarm.buyer.sweep.plan import Finish, Stop
    from swarm.journal import KeyLock

    header = book.header
    lock = KeyLock("sweep", header.sweep_id).acquire()
    try:
        controller = Controller(
            chain=context.chain,
            store=context.store,
            account=context.account,
            book=book,
            home=context.home,
            tell=context.screen.note,
        )
        end = controller.run(_stopping())
        if isinstance(end, Finish):
            keep_best(context, book, controller.view())
        _tell_end(context, book, controller.view())
    finally:
        lock.release()
    if end is None:
        context.screen.note(f"detached: jobs go on; swarm sweep resume {header.sweep_id} continues")
        raise click.exceptions.Exit(130)
    if isinstance(end, Stop):
        context.screen.note(f"stopped: {end.reason}; swarm sweep resume {header.sweep_id} goes on")
        raise click.exceptions.Exit(_SPENT if "max_total" in end.reason else _STOPPED)


def _stopping() -> threading.Event:
    """Set by ^C and by a service's stop: the deed under way is finished first."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def keep_best(context: Context, book: SweepBook, view: View) -> None:
    """Fetches what the best runs left (keep_artifacts.best): adapters, each in a folder that peft loads, or files."""
    from swarm.buyer.sweep.keep import keep

    for run, _ in _best(view, view.sweep.keep_artifacts.best):
        try:
            folder = keep(context.store, book, view, run)
            context.screen.note(f"best, {run.id}: {folder}")
        except SwarmError as error:
            context.screen.note(f"what {run.id} left cannot be fetched: {error}")


def ask(context: Context, header: Header, yes: bool) -> None:
    """Shows the quote and asks. Raises UsageError without a terminal, Abort for no."""
    from swarm.cli.screen import is_terminal

    if yes:
        return
    cap = header.sweep.budget.max_total
    if not is_terminal():
        raise UsageError(f"this may spend up to {cap} TOK", hint="say --yes to start without being asked")
    for name, value in quote(header).items():
        context.screen.note(f"{name.replace('_', ' ')}: {value}")
    click.confirm(f"The sweep may spend up to {cap} TOK. Unused funds return automatically. Proceed?", abort=True)


def quote(header: Header) -> dict[str, Any]:
    """What will be done, before anything is sent."""
    sweep = header.sweep
    size = min(sweep.run_cap, len(sweep.grid())) if sweep.method == "grid" else sweep.run_cap
    stops = sweep.early_terminate
    return {
        "name": sweep.name,
        "method": f"{sweep.method} · at most {size} runs · {len(sweep.space) + bool(sweep.groups)} parameters",
        "trials": header.reason,
        "early_terminate": f"{stops.type} from step {stops.min_iter}, eta {stops.eta}" if stops else "none",
        "parallel": f"{sweep.parallel} trials, {sweep.per_job} a job; the first {sweep.canary} run(s) are canaries",
        "max_per_run_tok": _tok(sweep.per_run),
        "max_total_tok": _tok(sweep.budget.max_total),
        **header.facts,
    }


def told(view: View) -> str:
    """One line: how many runs are where, and the money."""
    from swarm.buyer.sweep.table import counts

    states = " · ".join(f"{state} {count}" for state, count in counts(view).items() if count) or "nothing yet"
    ledger = view.ledger
    cap = format_amount(view.limits.max_total)
    return f"{states} · spent {format_amount(ledger.spent)}, at most {format_amount(ledger.committed)} of {cap}"


def short(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it fits a terminal."""
    names = list(row)
    parameters = names[names.index("is_settled") + 1 :]
    # The fourth column is the metric.
    shown = {name: row[name] for name in (*names[:4], *parameters, "steps", "seller")}
    return {name: _cell(name, value) for name, value in shown.items()}


def details(book: SweepBook) -> dict[str, Any]:
    """Everything `swarm sweep show` prints."""
    from swarm.buyer.sweep.table import counts

    header, view = book.header, view_of(book)
    jobs = [f"{each.job_id or '?'}:{each.fate.value}" for each in view.ledger.postings]
    states = {state: count for state, count in counts(view).items() if count}
    return {
        **summary(book),
        "runs": " ".join(f"{state} {count}" for state, count in states.items()),
        **({} if header.sweep.program else _inputs(header)),
        "trials_as": header.reason,
        "jobs": " ".join(jobs),
    }


def _inputs(header: Header) -> dict[str, str]:
    return {"base_model": header.base_model, "dataset": header.dataset, "validation": header.validation}


def summary(book: SweepBook) -> dict[str, Any]:
    """One line of `swarm sweep list`."""
    header, view = book.header, view_of(book)
    end = book.end
    best = _best(view, 1)
    return {
        "sweep": header.sweep_id,
        "name": header.sweep.name,
        "state": f"{end['kind']}: {end['reason']}" if end else "going on",
        "runs_begun": f"{len(view.ledger.runs)} of {header.sweep.run_cap}",
        "metric": header.sweep.metric.name,
        "best": best[0][1].found.metrics.value(header.sweep.metric.name) if best else None,
        "spent_tok": format_amount(view.ledger.spent),
        "committed_tok": format_amount(view.ledger.committed),
        "max_total_tok": _tok(header.sweep.budget.max_total),
    }


def view_of(book: SweepBook) -> View:
    from swarm.buyer.sweep.plan import View
    from swarm.buyer.sweep.prepare import limits_of_sweep

    sweep = book.header.sweep
    return View(sweep, limits_of_sweep(sweep), book.ledger(), is_exhausted=book.end is not None)


def best_spec(header: Header, run: Run) -> dict[str, Any]:
    """A LoRA spec with a run's parameters, as a person writes it; the engine and the first state are filled anew."""
    if header.sweep.program:
        return _best_program(header, header.sweep.program, run)
    content = header.sweep.template.model_dump(mode="json", exclude={"initial_state", "engine"})
    content["training"] |= dict(run.parameters)
    content |= {"name": f"{header.sweep.name}-best"[:64], "base_model": header.base_model}
    content["datasets"][0]["path"] = header.dataset
    content["budget"] = {"max_total": _tok(header.sweep.per_run)}
    return content


def _best_program(header: Header, program: ContainerSpec, run: Run) -> dict[str, Any]:
    """Without the file of parameters, which only the sweep has pinned: a program that reads it keeps its own."""
    from swarm.workloads.sweep.program import PARAMETERS_TARGET, trial_mapping

    content = trial_mapping(program, run.parameters, file_uri="")
    content["inputs"] = [entry for entry in content["inputs"] if entry["target"] != PARAMETERS_TARGET]
    derived = {"engine": None, "verification": None, "network": None, "outputs": None}
    content = {name: value for name, value in content.items() if name not in derived}
    budget = {"budget": {"max_total": _tok(header.sweep.per_run)}}
    return json.loads(json.dumps(content | budget | {"name": f"{header.sweep.name}-best"[:64]}, default=list))


def write_yaml(content: dict[str, Any], stream: IO[str]) -> None:
    from ruamel.yaml import YAML

    YAML().dump(content, stream)


def _tell_end(context: Context, book: SweepBook, view: View) -> None:
    context.screen.note(told(view))
    context.screen.facts(summary(book), essence="sweep")


def _best(view: View, count: int):
    from swarm.buyer.sweep.table import best

    return best(view, count)


def _tok(amount) -> str:
    from swarm.units import parse_amount

    return format_amount(parse_amount(str(amount.quantize(amount.__class__("1e-18"), rounding="ROUND_DOWN"))))


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    if value is None:
        return "-"
    return value[:10] if name == "seller" else value
